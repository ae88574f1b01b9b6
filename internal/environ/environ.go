// Package environ places values of the environment in YAML, so that they arrive as they
// are: Benthos replaces ${NAME} in the text of a file, before it is YAML, where a quote
// ends the field and a backslash means something else.
package environ

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Place is where a file asks for a variable.
type Place struct {
	// Style is how the text around is quoted.
	Style yaml.Style
	// Flow: it stands inside of [] or {}, where commas and brackets mean something.
	Flow bool
}

// reference is a ${NAME}, ${NAME:default} or ${NAME|function}, as Benthos v4.80.0 finds it.
var reference = regexp.MustCompile(`\${([0-9A-Za-z_.]+)(:((\${[^}]+})|[^}])*)?(?:\|[0-9A-Za-z]+)?}`)

// Places returns where the text of a configuration file asks for which variable. A text
// that is no YAML has none; whoever reads it says so.
func Places(text []byte) map[string][]Place {
	var names []string
	marked := reference.ReplaceAllFunc(text, func(match []byte) []byte {
		names = append(names, string(reference.FindSubmatch(match)[1]))
		return fmt.Appendf(nil, "%s%dx", mark, len(names)-1)
	})
	places := map[string][]Place{}
	for documents := yaml.NewDecoder(bytes.NewReader(marked)); ; {
		var root yaml.Node
		if err := documents.Decode(&root); err != nil {
			if errors.Is(err, io.EOF) {
				return places
			}
			return nil
		}
		walk(&root, false, func(n *yaml.Node, flow bool) {
			for i, name := range names {
				if strings.Contains(n.Value, fmt.Sprintf("%s%dx", mark, i)) {
					places[name] = append(places[name], Place{n.Style, flow})
				}
			}
		})
	}
}

// mark is a word that stands for a reference while the file is parsed; no file has it.
const mark = "clickstream0environment0"

func walk(n *yaml.Node, flow bool, visit func(n *yaml.Node, flow bool)) {
	if n.Kind == yaml.ScalarNode {
		visit(n, flow)
	}
	for _, child := range n.Content {
		walk(child, flow || n.Style&yaml.FlowStyle != 0, visit)
	}
}

// Plain tells whether a value means itself wherever it stands in YAML.
func Plain(value string) bool { return plain.MatchString(value) }

// Quote returns what has to replace the reference so that the value arrives byte for
// byte in each of the places. The error says what the file has to look like.
func Quote(value string, places []Place) (string, error) {
	if !utf8.ValidString(value) {
		return "", errors.New("it is not UTF-8, which a pipeline has to be")
	}
	if len(places) > 0 && !anyOther(places, yaml.DoubleQuotedStyle) {
		return escape(value), nil
	}
	for _, p := range places {
		if !p.takes(value) {
			return "", fmt.Errorf("it holds characters that mean something to YAML where the file asks for it: "+
				"put the reference in double quotes, everywhere in the file, as in pipelines/consume.yaml (here it stands %s)", p)
		}
	}
	if len(places) == 0 && !Plain(value) {
		return "", errors.New("it holds characters that may mean something to YAML, and no file that the command line names asks for it")
	}
	return value, nil
}

func anyOther(places []Place, style yaml.Style) bool {
	for _, p := range places {
		if p.Style&style == 0 {
			return true
		}
	}
	return false
}

var plain = regexp.MustCompile(`^[\pL\pN_./+](?:[\pL\pN_./+=@%~:-]*[\pL\pN_./+=@%~-])?$`)

// takes tells whether a value means itself, unquoted, in a place that is not double-quoted.
func (p Place) takes(value string) bool {
	if Plain(value) {
		return true
	}
	switch {
	case strings.ContainsFunc(value, special) || strings.Contains(value, "$"):
		return false
	case p.Style&yaml.SingleQuotedStyle != 0:
		return !strings.Contains(value, "'")
	case p.Style&(yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return !strings.ContainsAny(value, `"\`) // a block is a program in most files: its own strings end there
	case p.Flow && strings.ContainsAny(value, ",[]{}"):
		return false
	}
	return means(value, value) && means("x"+value+"x", "x"+value+"x")
}

// means tells whether YAML reads a text without quotes as that value.
func means(text, value string) bool {
	var n struct{ A yaml.Node }
	return yaml.Unmarshal([]byte("a: "+text), &n) == nil && n.A.Kind == yaml.ScalarNode && n.A.Value == value
}

// String says where that is, for people.
func (p Place) String() string {
	switch {
	case p.Style&yaml.SingleQuotedStyle != 0:
		return "in single quotes"
	case p.Style&yaml.DoubleQuotedStyle != 0:
		return "in double quotes"
	case p.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return "in a block of text"
	}
	return "without quotes"
}

// escape writes a value as the inside of a double-quoted YAML text. The dollar goes too:
// Benthos looks at the text once more.
func escape(value string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '"' || r == '\\' || r == '$' || special(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// special are characters that end a line for YAML, or that it does not allow.
func special(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\ufffe' || r == '\uffff'
}

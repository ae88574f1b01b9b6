package environ

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// odd are values that end quotes, begin comments, mean something to YAML, to Benthos or
// to a terminal.
var odd = []string{
	`p"q`, `back\slash`, `a\tb`, `x", topic: "hijack`, `it's`, "two\nlines", "tab\there", "#no comment", "a: b", "- item", "[1, 2]", "{a: b}", "*alias", "&anchor", "!tag",
	"%directive", "@at", "`tick`", "${HOME}", "${{HOME}}", "$1", "trailing ", " leading", "a #b", "true", "007", "null", "Null", "NULL", "~", "", "ключ ❄", "line\u2028separator", "\ufeffmark", "\x01\x1b[31m", `\`, `"`, "a:", "?",
}

// FuzzQuote: whatever the value and however it is quoted, it arrives byte for byte or is
// refused; nothing else in the file changes.
func FuzzQuote(f *testing.F) {
	for _, value := range odd {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, file := range []string{
			`{ a: "<${V}>", b: [ "${V:default}" ], c: 1 }`, "a: \"<${V}>\"\nb: [ \"${V:x}\" ]\nc: 1\n", "a: '<${V}>'\nb: [ '${V}' ]\nc: 1\n",
			"a: <${V}>\nb:\n  - ${V:x}\nc: 1\n", "a: |-\n  <${V}>\nb: [ \"${V}\" ]\nc: 1\n",
		} {
			placed, err := Quote(value, Places([]byte(file))["V"])
			if err != nil {
				if strings.HasPrefix(file, "{") && strings.ToValidUTF8(value, "") == value {
					t.Errorf("%q in double quotes: %v", value, err)
				}
				continue
			}
			var got struct {
				A string
				B []string
				C int
			}
			text := reference.ReplaceAllStringFunc(file, func(string) string { return placed })
			if err := yaml.Unmarshal([]byte(text), &got); err != nil || got.A != "<"+value+">" || len(got.B) != 1 || got.B[0] != value || got.C != 1 {
				if nothing := value == "" || value == "~" || value == "null" || value == "Null" || value == "NULL"; !nothing { // plain, they are nothing, as ever
					t.Errorf("%q in\n%s\n got %+q, %v", value, file, append(got.B, got.A), err)
				}
			}
		}
	})
}

func TestPlaces(t *testing.T) {
	text := `a: "${ONE:x}" # ${COMMENT}
b: [ ${TWO}, '${TWO}' ]
${KEY}: |
  root = "${ONE}"
---
c: ${THREE:a:b}
`
	got := Places([]byte(text))
	for name, want := range map[string]string{"ONE": "in double quotes, in a block of text", "TWO": "without quotes, in single quotes", "KEY": "without quotes", "THREE": "without quotes", "COMMENT": ""} {
		var places []string
		for _, p := range got[name] {
			places = append(places, p.String())
		}
		if text := strings.Join(places, ", "); text != want {
			t.Errorf("%s: got %s, want %s", name, text, want)
		}
	}
	if !got["TWO"][0].Flow || got["THREE"][0].Flow {
		t.Errorf("flow: got %+v", got)
	}
	if got := Places([]byte("a: [")); got != nil {
		t.Errorf("no YAML: got %v", got)
	}
}

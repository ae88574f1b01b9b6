package page

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what a viewer may send for a variable. A value is quoted before it gets
// into SQL; these only bound the work.
const (
	maxValueBytes = 1000
	maxValues     = 100
)

// Option is one choice of a variable.
type Option struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// Variable is a dashboard's variable.
type Variable struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Type    string   `json:"type"`
	Options []Option `json:"options"`
	Multi   bool     `json:"multi"`
	All     bool     `json:"all"`
	Current []string `json:"current"`
	// Hidden variables have a value and no control.
	Hidden bool `json:"hidden,omitempty"`
	// Error is why the options could not be read.
	Error string `json:"error,omitempty"`

	sql     string // of a query variable
	unknown string // why the page cannot offer it
}

// variableJSON is the part of a variable that is read.
type variableJSON struct {
	Name, Label, Type string
	Query             json.RawMessage
	Datasource        *sourceJSON
	Options           []struct{ Text, Value any }
	Current           struct{ Value any }
	Multi, IncludeAll bool
	AllValue          string
	Regex             string
	Hide              int
	Auto              bool
}

// variableTypes are the known types; docs/dashboards.md lists them.
var variableTypes = map[string]string{
	"custom":   "a list in the file",
	"query":    "a query's rows: the value, then, if there is a second column, its text",
	"interval": "a list of widths",
	"constant": "a hidden value",
	"textbox":  "free text",
}

func parseVariable(j variableJSON) *Variable {
	v := &Variable{Name: j.Name, Label: j.Label, Type: j.Type, Multi: j.Multi, All: j.IncludeAll, Hidden: j.Hide == 2, Options: []Option{}}
	if v.Label == "" {
		v.Label = j.Name
	}
	query := queryText(j.Query)
	switch {
	case variableTypes[j.Type] == "":
		v.unknown = fmt.Sprintf("type %q", j.Type)
	case j.AllValue != "":
		v.unknown = "allValue"
	case j.Regex != "":
		v.unknown = "regex"
	case j.Auto:
		v.unknown = "auto"
	case word(j.Name) != j.Name || j.Name == "":
		v.unknown = fmt.Sprintf("name %q", j.Name)
	}
	switch j.Type {
	case "query":
		v.sql = query
		if j.Datasource != nil && j.Datasource.Type != dataSource {
			v.unknown = "a data source that is not " + dataSource
		}
	case "constant":
		v.Options, v.Hidden = []Option{{query, query}}, true
	case "custom", "interval":
		v.Options = choices(query)
	}
	v.Current = v.initial(j.Current.Value, query)
	return v
}

// queryText is a text, or the SQL of the data source's newer form.
func queryText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var o struct{ RawSQL, Query string }
	_ = json.Unmarshal(raw, &o) // neither: no query
	if o.RawSQL != "" {
		return o.RawSQL
	}
	return o.Query
}

// choices reads "a,b,c" or "Text : value, ..."; a backslash keeps a comma.
func choices(list string) []Option {
	const comma = "\x00"
	out := []Option{}
	for _, item := range strings.Split(strings.ReplaceAll(list, `\,`, comma), ",") {
		item = strings.TrimSpace(strings.ReplaceAll(item, comma, ","))
		if item == "" {
			continue
		}
		text, value, both := strings.Cut(item, " : ")
		if !both {
			value = text
		}
		out = append(out, Option{strings.TrimSpace(text), strings.TrimSpace(value)})
	}
	return out
}

// initial is what the file has chosen, else everything, else the first option.
func (v *Variable) initial(current any, query string) []string {
	var chosen []string
	switch c := current.(type) {
	case string:
		chosen = []string{c}
	case []any:
		for _, item := range c {
			chosen = append(chosen, fmt.Sprint(item))
		}
	}
	switch {
	case v.Type == "constant", v.Type == "textbox" && (len(chosen) == 0 || chosen[0] == ""):
		return []string{query}
	case len(chosen) > 0 && chosen[0] != "":
		return chosen
	case v.All:
		return []string{all}
	case len(v.Options) > 0:
		return []string{v.Options[0].Value}
	}
	return []string{}
}

// accept checks values that a viewer sends: those of a closed list must be on it.
func (v *Variable) accept(values []string) error {
	if len(values) > maxValues {
		return fmt.Errorf("variable %s: want at most %d values, got %d", v.Name, maxValues, len(values))
	}
	if len(values) > 1 && !v.Multi {
		return fmt.Errorf("variable %s: want one value, got %d", v.Name, len(values))
	}
	for _, value := range values {
		switch {
		case len(value) > maxValueBytes:
			return fmt.Errorf("variable %s: want a value of at most %d bytes, got %d", v.Name, maxValueBytes, len(value))
		case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
			return fmt.Errorf("variable %s: want text in UTF-8", v.Name)
		case value == all && v.All:
		case v.closed() && !slices.ContainsFunc(v.Options, func(o Option) bool { return o.Value == value }):
			return fmt.Errorf("variable %s: want one of its %d options", v.Name, len(v.Options))
		}
	}
	return nil
}

// closed: the values are in the file, so nothing else may be asked for.
func (v *Variable) closed() bool { return v.Type != "query" && v.Type != "textbox" }

// references finds the variables of a text: the name, and the format behind it.
var references = regexp.MustCompile(`\$\{(\w+)(?::(\w+))?\}|\$(\w+)|\[\[(\w+)(?::(\w+))?\]\]`)

// check adds to p.Unknown what its SQL wants of variables and macros that the page
// cannot give, and notes which variables it uses.
func (b *Board) check(p *Panel) {
	unknown := unknownMacros(p.sql)
	bare := conditionVariable.ReplaceAllString(p.sql, ")") // there only its being "All" counts
	p.spells = map[string]bool{}
	for _, v := range b.Variables {
		for _, m := range references.FindAllStringSubmatch(p.sql, -1) {
			if m[1]+m[3]+m[4] == v.Name && !slices.Contains(p.uses, v.Name) {
				p.uses = append(p.uses, v.Name)
			}
		}
		if v.unknown != "" && slices.Contains(p.uses, v.Name) {
			unknown = append(unknown, "variable "+v.Name+" with "+v.unknown)
		}
		for _, m := range references.FindAllStringSubmatch(bare, -1) {
			if m[1]+m[3]+m[4] != v.Name {
				continue
			}
			p.spells[v.Name] = true
			if format := m[2] + m[5]; !v.closed() && format != "singlequote" {
				unknown = append(unknown, fmt.Sprintf("variable %s without :singlequote (its values are free text)", v.Name))
				break
			}
		}
	}
	if len(unknown) == 0 {
		return
	}
	if p.Unknown == "" {
		p.Unknown = "not supported: "
	} else {
		p.Unknown += "; "
	}
	p.Unknown += strings.Join(unknown, "; ")
}

// conditionVariable is the second argument of $__conditionalAll.
var conditionVariable = regexp.MustCompile(`,\s*\$(?:\w+|\{\w+\})\s*\)`)

// unknownMacros lists the macros of a query that Expand would leave as they are.
func unknownMacros(sql string) (unknown []string) {
	for sql != "" {
		token, kind := next(sql)
		sql = sql[len(token):]
		if kind != macroName {
			continue
		}
		name := strings.TrimPrefix(token, "$__")
		if _, known := macroTable[name]; known || slices.Contains([]string{"interval", "interval_ms", "conditionalAll"}, name) {
			continue
		}
		if text := "macro " + token; !slices.Contains(unknown, text) {
			unknown = append(unknown, text)
		}
	}
	return unknown
}

package page

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// mapping replaces values by texts and colors, as a field's "value mappings".
type mapping struct {
	Type    string          `json:"type"`
	Options json.RawMessage `json:"options"`

	values   map[string]mapped // type value
	from, to *float64          // type range
	match    string            // type special
	pattern  *regexp.Regexp    // type regex
	result   mapped
}

type mapped struct {
	Text  string `json:"text"`
	Color string `json:"color"`
}

// UnmarshalJSON reads one of the four types of mapping.
func (m *mapping) UnmarshalJSON(raw []byte) error {
	type plain mapping // without this method
	if err := json.Unmarshal(raw, (*plain)(m)); err != nil {
		return err
	}
	var o struct {
		From, To *float64
		Match    string
		Pattern  string
		Result   mapped
	}
	switch m.Type {
	case "value":
		return json.Unmarshal(m.Options, &m.values)
	case "range", "special", "regex":
		if err := json.Unmarshal(m.Options, &o); err != nil {
			return err
		}
	default:
		return fmt.Errorf("mapping type: want value, range, special or regex, got %q", m.Type)
	}
	m.from, m.to, m.match, m.result = o.From, o.To, o.Match, o.Result
	if m.Type != "regex" {
		return nil
	}
	var err error
	m.pattern, err = regexp.Compile(strings.TrimSuffix(strings.TrimPrefix(o.Pattern, "/"), "/"))
	return err
}

// mapped returns what the first mapping that fits makes of a value, nil for none.
func (f *Field) mapped(value any) *mapped {
	for _, m := range f.Mappings {
		if r := m.apply(value); r != nil {
			return r
		}
	}
	return nil
}

func (m mapping) apply(value any) *mapped {
	text := fmt.Sprint(value)
	switch m.Type {
	case "value":
		if r, ok := m.values[text]; ok && value != nil {
			return &r
		}
	case "range":
		v, ok := number(value)
		if ok && (m.from == nil || v >= *m.from) && (m.to == nil || v <= *m.to) {
			return &m.result
		}
	case "special":
		if m.special(value) {
			return &m.result
		}
	case "regex":
		if s, ok := value.(string); ok && m.pattern.MatchString(s) {
			return &mapped{Text: m.pattern.ReplaceAllString(s, m.result.Text), Color: m.result.Color}
		}
	}
	return nil
}

func (m mapping) special(value any) bool {
	switch m.match {
	case "null", "nan", "null+nan": // a column has no NaN, only nil
		return value == nil
	case "true":
		return value == true
	case "false":
		return value == false
	case "empty":
		return value == ""
	}
	return false
}

package page

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

type overrideJSON struct {
	Matcher    struct{ ID, Options any }
	Properties []struct {
		ID    string
		Value any
	}
}

// fieldSettings are a panel's fieldConfig.
type fieldSettings struct {
	defaults  map[string]any
	overrides []override
	unknown   []string
}

// override changes settings of the fields that it matches.
type override struct {
	matches func(c column, display string) bool
	set     map[string]any
}

func newFieldSettings(defaults map[string]any, list []overrideJSON) fieldSettings {
	s := fieldSettings{defaults: map[string]any{}}
	for name, value := range defaults {
		if custom, ok := value.(map[string]any); ok && name == "custom" {
			for name, value := range custom {
				s.defaults["custom."+name] = value
			}
			continue
		}
		s.defaults[name] = value
	}
	for _, o := range list {
		matches, err := matcher(fmt.Sprint(o.Matcher.ID), fmt.Sprint(o.Matcher.Options))
		if err != nil {
			s.unknown = append(s.unknown, err.Error())
			continue
		}
		set := map[string]any{}
		for _, p := range o.Properties {
			set[p.ID] = p.Value
		}
		s.overrides = append(s.overrides, override{matches, set})
	}
	return s
}

// matcher returns how an override chooses fields.
func matcher(id, options string) (func(c column, display string) bool, error) {
	switch id {
	case "byName":
		return func(c column, display string) bool { return c.name == options || display == options }, nil
	case "byRegexp":
		re, err := regexp.Compile(strings.TrimSuffix(strings.TrimPrefix(options, "/"), "/"))
		if err != nil {
			return nil, fmt.Errorf("override by %q: %w", options, err)
		}
		return func(c column, display string) bool { return re.MatchString(c.name) || re.MatchString(display) }, nil
	case "byType":
		return func(c column, _ string) bool {
			return string(c.kind) == options || c.kind == kindBool && options == "boolean"
		}, nil
	case "byFrameRefID":
		return func(column, string) bool { return true }, nil
	}
	return nil, fmt.Errorf("override matcher %q", id)
}

// check returns the settings that the page does not know for this type of panel.
func (s fieldSettings) check(kind panelType) []string {
	known := maps.Clone(fieldProperties)
	for name, v := range kind.custom {
		known["custom."+name] = v
	}
	unknown := append(slices.Clone(s.unknown), checked(nested(s.defaults), known, "field setting ")...)
	for _, o := range s.overrides {
		unknown = append(unknown, checked(nested(o.set), known, "override of ")...)
	}
	return unknown
}

// nested copies settings with what each may hold inside in the form of checked.
func nested(set map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range set {
		if list, ok := value.([]any); ok && len(list) == 0 {
			continue
		}
		if text, ok := value.(string); ok && text == "" {
			continue
		}
		out[name] = value
	}
	return out
}

// Field is one column of a panel's answer, with everything that is needed to draw it.
type Field struct {
	Name       string         `json:"name"`
	Display    string         `json:"display"`
	Kind       valueKind      `json:"kind"`
	Unit       string         `json:"unit,omitempty"`
	Decimals   *int           `json:"decimals,omitempty"`
	Min        *float64       `json:"min,omitempty"`
	Max        *float64       `json:"max,omitempty"`
	Color      string         `json:"color,omitempty"`
	ColorMode  string         `json:"color_mode,omitempty"`
	Thresholds []step         `json:"thresholds,omitempty"`
	Mappings   []mapping      `json:"mappings,omitempty"`
	NoValue    string         `json:"no_value,omitempty"`
	Custom     map[string]any `json:"custom,omitempty"`
	Values     []any          `json:"values"`
	// Text is Values as they are to be read; only tables have it.
	Text []string `json:"text,omitempty"`
	// Colors are those of cells, "" for none; only where cellOptions ask for them.
	Colors []string `json:"colors,omitempty"`
	// Legend are the values beside the name, as options.legend.calcs ask for them.
	Legend []Summary `json:"legend,omitempty"`

	absolute bool // thresholds are values, not percentages of min to max
}

// Summary is a field in one value.
type Summary struct {
	Calc string `json:"calc"`
	Text string `json:"text"`
}

// settingsJSON is what of a field's settings is not free-form.
type settingsJSON struct {
	Unit        string    `json:"unit"`
	Decimals    *int      `json:"decimals"`
	Min         *float64  `json:"min"`
	Max         *float64  `json:"max"`
	DisplayName string    `json:"displayName"`
	NoValue     string    `json:"noValue"`
	Mappings    []mapping `json:"mappings"`
	Color       struct{ Mode, FixedColor string }
	Thresholds  struct {
		Mode  string
		Steps []step
	}
}

// resolve returns the field that a column becomes; index counts the columns that
// are drawn, for the palette.
func (s fieldSettings) resolve(c column, index int) (Field, error) {
	set := maps.Clone(s.defaults)
	display := c.display(text1(set["displayName"]))
	for _, o := range s.overrides {
		if o.matches(c, display) {
			maps.Copy(set, o.set)
		}
	}
	custom := map[string]any{}
	for name, value := range set {
		if inner, ok := strings.CutPrefix(name, "custom."); ok {
			custom[inner] = value
			delete(set, name)
		}
	}
	raw, err := json.Marshal(set)
	if err != nil {
		return Field{}, err
	}
	var j settingsJSON
	if err := decode(raw, &j); err != nil {
		return Field{}, fmt.Errorf("settings of field %q: %w", c.name, err)
	}
	f := Field{
		Name: c.name, Display: c.display(j.DisplayName), Kind: c.kind, Unit: j.Unit, Decimals: j.Decimals, Min: j.Min, Max: j.Max,
		ColorMode: j.Color.Mode, Thresholds: j.Thresholds.Steps, Mappings: j.Mappings, NoValue: j.NoValue, Values: c.values,
		absolute: j.Thresholds.Mode != "percentage",
	}
	if len(custom) > 0 {
		f.Custom = custom
	}
	if c.kind == kindNumber {
		f.Color = f.color(index, j.Color.FixedColor)
	}
	if strings.TrimSpace(f.Display) == "" {
		f.Display = c.name
	}
	return f, nil
}

func text1(value any) string {
	s, _ := value.(string)
	return s
}

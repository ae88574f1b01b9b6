package page

import "encoding/json"

// palette is Grafana's classic palette as far as it has names for it; themes choose
// the shades.
var palette = []string{
	"green", "semi-dark-yellow", "light-blue", "semi-dark-orange", "red", "blue", "purple", "dark-purple",
	"dark-green", "dark-yellow", "dark-blue", "dark-orange", "dark-red", "light-green", "light-orange", "light-purple",
}

// step is one threshold: from Value on, or from the bottom if it is nil.
type step struct {
	Value *float64 `json:"value"`
	Color string   `json:"color"`
}

// color is the field's own, that of the palette, or "" where each value has its own.
func (f *Field) color(index int, fixed string) string {
	switch f.ColorMode {
	case "fixed":
		return fixed
	case "palette-classic":
		return palette[index%len(palette)]
	}
	return ""
}

// colorOf is the color of one value, drawn as number index of its panel.
func (f *Field) colorOf(value any, index int) string {
	if m := f.mapped(value); m != nil && m.Color != "" {
		return m.Color
	}
	switch f.ColorMode {
	case "fixed":
		return f.Color
	case "palette-classic":
		return palette[index%len(palette)]
	}
	return f.threshold(value)
}

// threshold is the color of the highest step that value reaches. Without steps it is
// that of Grafana's default: green, red from 80 on.
func (f *Field) threshold(value any) string {
	steps := f.Thresholds
	if len(steps) == 0 {
		return "green"
	}
	v, ok := number(value)
	color := steps[0].Color
	if !ok {
		return color
	}
	if !f.absolute {
		v = 100 * f.share(v, 0, 100)
	}
	for _, s := range steps {
		if s.Value == nil || v >= *s.Value {
			color = s.Color
		}
	}
	return color
}

// share is where v lies between the field's min and max, or low and high where the
// field has none: 0 to 1.
func (f *Field) share(v, low, high float64) float64 {
	if f.Min != nil {
		low = *f.Min
	}
	if f.Max != nil {
		high = *f.Max
	}
	if high <= low {
		return 0
	}
	return min(max((v-low)/(high-low), 0), 1)
}

// number returns a value as a float, and whether it is one.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case json.Number:
		n, err := v.Float64()
		return n, err == nil
	}
	return 0, false
}

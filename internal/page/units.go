package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Unit is how numbers of one of Grafana's units are written. A number is multiplied
// by Factor and divided by the largest of Scale that it reaches, whose Suffix follows.
type Unit struct {
	Prefix   string    `json:"prefix,omitempty"`
	Factor   float64   `json:"factor"`
	Scale    []float64 `json:"scale"`
	Suffixes []string  `json:"suffixes"`
	// Date: the number is milliseconds since 1970.
	Date string `json:"date,omitempty"`
	// Group puts a comma before every three digits.
	Group bool `json:"group,omitempty"`
}

// units are those that the page writes, by Grafana's ids.
var units = map[string]Unit{
	"none":            scaled("", 1),
	"string":          scaled("", 1),
	"locale":          {Factor: 1, Scale: []float64{1}, Suffixes: []string{""}, Group: true},
	"short":           scaled("", 1000, "", " K", " Mil", " Bil", " Tri"),
	"sishort":         scaled("", 1000, "", " k", " M", " G", " T"),
	"percent":         {Factor: 1, Scale: []float64{1}, Suffixes: []string{"%"}},
	"percentunit":     {Factor: 100, Scale: []float64{1}, Suffixes: []string{"%"}},
	"currencyUSD":     scaled("$", 1000, "", "K", "M", "B", "T"),
	"currencyEUR":     scaled("€", 1000, "", "K", "M", "B", "T"),
	"currencyGBP":     scaled("£", 1000, "", "K", "M", "B", "T"),
	"bytes":           scaled("", 1024, " B", " KiB", " MiB", " GiB", " TiB", " PiB"),
	"decbytes":        scaled("", 1000, " B", " kB", " MB", " GB", " TB", " PB"),
	"binBps":          scaled("", 1024, " B/s", " KiB/s", " MiB/s", " GiB/s", " TiB/s"),
	"Bps":             scaled("", 1000, " B/s", " kB/s", " MB/s", " GB/s", " TB/s"),
	"cps":             scaled("", 1000, " c/s", "K c/s", "M c/s", "B c/s"),
	"ops":             scaled("", 1000, " ops/s", "K ops/s", "M ops/s", "B ops/s"),
	"reqps":           scaled("", 1000, " req/s", "K req/s", "M req/s", "B req/s"),
	"rps":             scaled("", 1000, " rd/s", "K rd/s", "M rd/s", "B rd/s"),
	"wps":             scaled("", 1000, " wr/s", "K wr/s", "M wr/s", "B wr/s"),
	"eps":             scaled("", 1000, " evt/s", "K evt/s", "M evt/s", "B evt/s"),
	"ns":              timed(1e-9),
	"µs":              timed(1e-6),
	"ms":              timed(1e-3),
	"s":               timed(1),
	"m":               timed(60),
	"h":               timed(3600),
	"d":               timed(86400),
	"dateTimeAsIso":   {Date: time.DateTime, Factor: 1},
	"dateTimeAsUS":    {Date: "01/02/2006 3:04:05 pm", Factor: 1},
	"dateTimeFromNow": {Date: "from now", Factor: 1},
}

// defaultUnit is that of a field without a unit: the number as it is.
const defaultUnit = "none"

// scaled is a unit whose suffixes are base apart.
func scaled(prefix string, base float64, suffixes ...string) Unit {
	if len(suffixes) == 0 {
		suffixes = []string{""}
	}
	u := Unit{Prefix: prefix, Factor: 1, Suffixes: suffixes}
	for i := range suffixes {
		u.Scale = append(u.Scale, math.Pow(base, float64(i)))
	}
	return u
}

// timed is a unit of time, of so many seconds.
func timed(seconds float64) Unit {
	return Unit{
		Factor:   seconds,
		Scale:    []float64{1e-9, 1e-6, 1e-3, 1, 60, 3600, 86400, 7 * 86400, 365.25 * 86400},
		Suffixes: []string{" ns", " µs", " ms", " s", " mins", " hours", " days", " weeks", " years"},
	}
}

// format writes v; decimals is nil for as many as it takes.
func (u Unit) format(v float64, decimals *int) string {
	if u.Date != "" {
		return u.date(v)
	}
	v *= u.Factor
	i := 0
	for i+1 < len(u.Scale) && math.Abs(v) >= u.Scale[i+1] {
		i++
	}
	if v == 0 && u.Scale[0] < 1 { // zero of a time is that of the unit itself
		i = u.own()
	}
	v /= u.Scale[i]
	sign := ""
	text := fixed(math.Abs(v), decimals)
	if u.Group {
		text = grouped(text)
	}
	if v < 0 && strings.Trim(text, "0.") != "" {
		sign = "-"
	}
	return sign + u.Prefix + text + u.Suffixes[i]
}

func grouped(text string) string {
	whole, rest, point := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		return whole + "." + rest
	}
	return whole
}

// own is the step of the unit's own name.
func (u Unit) own() int {
	for i, s := range u.Scale {
		if s >= u.Factor {
			return i
		}
	}
	return 0
}

// date writes milliseconds since 1970 in UTC; the browser knows its zone, we do not.
func (u Unit) date(v float64) string {
	at := time.UnixMilli(int64(v)).UTC()
	if u.Date != units["dateTimeFromNow"].Date {
		return at.Format(u.Date) + " UTC"
	}
	ago := time.Since(at)
	text := units["s"].format(math.Abs(ago.Seconds()), new(int))
	if ago < 0 {
		return "in " + text
	}
	return text + " ago"
}

// fixed writes a number with so many decimals; without a count it is three
// significant figures, but never fewer than those before the point.
func fixed(v float64, decimals *int) string {
	if decimals != nil {
		return strconv.FormatFloat(v, 'f', min(max(*decimals, 0), 20), 64)
	}
	if v == math.Trunc(v) && v < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := 0
	if v < 100 {
		digits = min(max(2-int(math.Floor(math.Log10(v))), 0), 10)
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// text is a value as it is to be read: mapped, in the field's unit, or the text for
// no value.
func (f *Field) text(value any) string {
	if m := f.mapped(value); m != nil && m.Text != "" {
		return m.Text
	}
	switch v := value.(type) {
	case nil:
		if f.NoValue != "" {
			return f.NoValue
		}
		return "-"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	}
	v, ok := number(value)
	if !ok {
		return fmt.Sprint(value)
	}
	if f.Kind == kindTime {
		return units["dateTimeAsIso"].format(v, nil)
	}
	unit, ok := units[f.Unit]
	if !ok {
		unit = units[defaultUnit]
	}
	return unit.format(v, f.Decimals)
}

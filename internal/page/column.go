package page

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// valueKind is what a column holds, by the names that Grafana's overrides use.
type valueKind string

const (
	kindTime   valueKind = "time" // milliseconds since 1970
	kindNumber valueKind = "number"
	kindString valueKind = "string"
	kindBool   valueKind = "bool"
)

// column is one column of an answer. Values are float64, int64, uint64, string,
// bool or nil; there is no NaN and no infinity, which JSON has not either.
type column struct {
	name   string
	kind   valueKind
	labels map[string]string
	values []any
	// alone: no other value column shares the labels, so they are the name.
	alone bool
}

// display is the name to show: displayName with its templates filled in, else the
// labels, else the column's name.
func (c column) display(template string) string {
	if template != "" {
		return c.fill(template)
	}
	switch {
	case len(c.labels) == 0:
		return c.name
	case len(c.labels) == 1 && c.alone:
		return c.labels[slices.Collect(maps.Keys(c.labels))[0]]
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(c.labels)) {
		pairs = append(pairs, name+"="+c.labels[name])
	}
	list := strings.Join(pairs, ", ")
	if c.alone {
		return list
	}
	return c.name + " " + list
}

// fill replaces ${__field.name}, ${__field.displayName} and ${__field.labels.X}.
func (c column) fill(template string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(template, "${")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			out.WriteString("${" + rest)
			return out.String()
		}
		out.WriteString(c.reference(name))
		template = after
	}
}

func (c column) reference(name string) string {
	if label, ok := strings.CutPrefix(name, "__field.labels."); ok {
		return c.labels[label]
	}
	switch name {
	case "__field.name":
		return c.name
	case "__field.displayName", "__field.label", "__series.name":
		return c.display("")
	}
	return "${" + name + "}"
}

// kindOfType tells what the driver's type for a column becomes here.
func kindOfType(t reflect.Type) valueKind {
	for t.Kind() == reflect.Pointer && t != reflect.TypeFor[*big.Int]() {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return kindTime
	case reflect.TypeFor[decimal.Decimal](), reflect.TypeFor[big.Int](), reflect.TypeFor[*big.Int]():
		return kindNumber
	}
	switch t.Kind() {
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return kindNumber
	}
	return kindString
}

// plain turns what the driver scanned into a value of a column.
func plain(v reflect.Value) any {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		if n, ok := v.Interface().(*big.Int); ok {
			return finite(new(big.Float).SetInt(n))
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UnixMilli()
	case decimal.Decimal:
		return x.InexactFloat64()
	case big.Int:
		return finite(new(big.Float).SetInt(&x))
	}
	return plainKind(v)
}

func plainKind(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return clip(v.String())
	case reflect.Bool:
		return v.Bool()
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Uint()
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String() // UUID, IP address
	}
	if v.Kind() == reflect.Slice {
		items := make([]any, v.Len())
		for i := range items {
			items[i] = plain(v.Index(i))
		}
		v = reflect.ValueOf(items) // or bytes would become base64
	}
	raw, err := json.Marshal(v.Interface()) // arrays, maps, tuples
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return clip(string(raw))
}

// clip shortens a text that is too long for a screen, between two characters: rows may
// hold megabytes of it.
func clip(s string) string {
	if len(s) <= maxValueBytes {
		return s
	}
	end := maxValueBytes
	for end > maxValueBytes-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func finite(f *big.Float) any {
	if n, _ := f.Float64(); !math.IsInf(n, 0) {
		return n
	}
	return nil
}

package page

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Item is one value of a stat, bar gauge or pie: everything to draw it.
type Item struct {
	Label string `json:"label"`
	Value any    `json:"value"`
	Text  string `json:"text"`
	Color string `json:"color"`
	// Percent is how full a bar is, or a slice's share of the whole: 0 to 1.
	Percent float64 `json:"percent"`
}

// defaultItems is how many rows Grafana shows where a panel sets no limit.
const defaultItems = 25

// reduction is options.reduceOptions.
type reduction struct {
	calc   func([]any) any
	fields string
	values bool
	limit  int
}

func newReduction(options map[string]any) reduction {
	r := reduction{calc: reducers["lastNotNull"], limit: defaultItems}
	o, _ := options["reduceOptions"].(map[string]any)
	if list, ok := o["calcs"].([]any); ok && len(list) > 0 {
		if calc, ok := reducers[fmt.Sprint(list[0])]; ok {
			r.calc = calc
		}
	}
	r.fields, _ = o["fields"].(string)
	r.values, _ = o["values"].(bool)
	if limit, ok := o["limit"].(float64); ok && limit >= 1 {
		r.limit = int(limit)
	}
	return r
}

// takes tells whether a field is one of those to show: numbers, or those that the
// option names or matches.
func (r reduction) takes(f Field) bool {
	pattern, isPattern := strings.CutPrefix(r.fields, "/")
	switch {
	case r.fields == "":
		return f.Kind == kindNumber
	case !isPattern:
		return f.Name == r.fields || f.Display == r.fields
	}
	re, err := regexp.Compile(strings.TrimSuffix(pattern, "/"))
	return err == nil && (re.MatchString(f.Name) || re.MatchString(f.Display))
}

// items reduces the fields of a panel to what it shows.
func (r reduction) items(fields []Field) []Item {
	var taken []*Field
	for i := range fields {
		if r.takes(fields[i]) {
			taken = append(taken, &fields[i])
		}
	}
	out := []Item{}
	if !r.values {
		for i, f := range taken {
			out = append(out, f.item(f.Display, r.calc(f.Values), i))
		}
		return out
	}
	if len(taken) == 0 {
		return out
	}
	for row := 0; row < len(taken[0].Values) && len(out) < r.limit; row++ {
		name := rowName(fields, taken, row)
		for _, f := range taken {
			label := name
			if len(taken) > 1 || name == "" {
				label = strings.TrimSpace(name + " " + f.Display)
			}
			out = append(out, f.item(label, f.Values[row], len(out)))
		}
	}
	return out
}

func (f *Field) item(label string, value any, index int) Item {
	return Item{Label: label, Value: value, Text: f.text(value), Color: f.colorOf(value, index)}
}

// rowName is a row's texts that are not values to show.
func rowName(fields []Field, taken []*Field, row int) string {
	var parts []string
	for i := range fields {
		f := &fields[i]
		isTaken := false
		for _, t := range taken {
			isTaken = isTaken || t == f
		}
		if !isTaken && f.Kind == kindString {
			parts = append(parts, f.text(f.Values[row]))
		}
	}
	return strings.Join(parts, " ")
}

// fillBars sets Percent to where a value lies between min and max: those of the
// fields, else those of the items.
func fillBars(items []Item, fields []Field) {
	low, high := extremes(items)
	var bounds Field
	for i := range fields {
		if fields[i].Kind == kindNumber {
			bounds = fields[i]
			break
		}
	}
	for i := range items {
		if v, ok := number(items[i].Value); ok {
			items[i].Percent = bounds.share(v, low, high)
		}
	}
}

func extremes(items []Item) (low, high float64) {
	first := true
	for _, it := range items {
		v, ok := number(it.Value)
		switch {
		case !ok:
		case first:
			low, high, first = v, v, false
		default:
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// fillShares sets Percent to a value's part of the sum, and returns the sum as text.
func fillShares(items []Item, fields []Field) (total string) {
	var sum float64
	for _, it := range items {
		if v, ok := number(it.Value); ok && v > 0 {
			sum += v
		}
	}
	for i := range items {
		if v, ok := number(items[i].Value); ok && v > 0 {
			items[i].Percent = v / sum
		}
	}
	for i := range fields {
		if fields[i].Kind == kindNumber && len(items) > 0 {
			return fields[i].text(sum)
		}
	}
	return ""
}

// sortItems orders a pie's items, after each has got its color.
func sortItems(items []Item, order any) {
	if order == "none" {
		return
	}
	slices.SortStableFunc(items, func(a, b Item) int {
		if order == "asc" {
			a, b = b, a
		}
		return compare(b.Value, a.Value)
	})
}

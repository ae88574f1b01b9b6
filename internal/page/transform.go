package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

type transformationJSON struct {
	ID       string
	Disabled bool
	Options  json.RawMessage
}

// transformation changes an answer before it is drawn.
type transformation func([]column) []column

// transformations are the known ones; docs/dashboards.md lists them.
var transformations = map[string]func(options json.RawMessage) (transformation, error){
	"organize": organize,
	"sortBy":   sortBy,
	"limit":    limit,
}

// parseTransformation returns nil for one that is switched off.
func parseTransformation(j transformationJSON) (transformation, error) {
	if j.Disabled {
		return nil, nil
	}
	parse, ok := transformations[j.ID]
	if !ok {
		return nil, fmt.Errorf("transformation %q", j.ID)
	}
	t, err := parse(j.Options)
	if err != nil {
		return nil, fmt.Errorf("transformation %q: %w", j.ID, err)
	}
	return t, nil
}

// organize hides, orders and renames columns.
func organize(options json.RawMessage) (transformation, error) {
	var o struct {
		ExcludeByName map[string]bool
		IndexByName   map[string]int
		RenameByName  map[string]string
	}
	if err := decode(options, &o); err != nil {
		return nil, err
	}
	return func(columns []column) []column {
		out := slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return o.ExcludeByName[c.name] })
		if len(o.IndexByName) > 0 {
			place := func(c column) int {
				if i, ok := o.IndexByName[c.name]; ok {
					return i
				}
				return len(columns) + len(o.IndexByName)
			}
			slices.SortStableFunc(out, func(a, b column) int { return cmp.Compare(place(a), place(b)) })
		}
		for i := range out {
			if name := o.RenameByName[out[i].name]; name != "" {
				out[i].name = name
			}
		}
		return out
	}, nil
}

// sortBy orders the rows by one column.
func sortBy(options json.RawMessage) (transformation, error) {
	var o struct {
		Sort []struct {
			Field string
			Desc  bool
		}
	}
	if err := decode(options, &o); err != nil {
		return nil, err
	}
	return func(columns []column) []column {
		for _, s := range o.Sort {
			columns = sorted(columns, s.Field, s.Desc)
		}
		return columns
	}, nil
}

// limit keeps the first rows.
func limit(options json.RawMessage) (transformation, error) {
	var o struct{ LimitField int }
	if err := decode(options, &o); err != nil {
		return nil, err
	}
	if o.LimitField < 1 {
		o.LimitField = 10 // Grafana's default
	}
	return func(columns []column) []column {
		out := slices.Clone(columns)
		for i := range out {
			out[i].values = out[i].values[:min(o.LimitField, len(out[i].values))]
		}
		return out
	}, nil
}

// sorted returns the rows in the order of the column called name; nulls come first,
// equal rows stay as they are.
func sorted(columns []column, name string, descending bool) []column {
	by := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
	if by < 0 {
		return columns
	}
	rows := make([]int, len(columns[by].values))
	for i := range rows {
		rows[i] = i
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		if descending {
			a, b = b, a
		}
		return compare(columns[by].values[a], columns[by].values[b])
	})
	out := slices.Clone(columns)
	for i, c := range columns {
		out[i].values = make([]any, len(rows))
		for to, from := range rows {
			out[i].values[to] = c.values[from]
		}
	}
	return out
}

func compare(a, b any) int {
	x, okX := number(a)
	y, okY := number(b)
	switch {
	case okX && okY:
		return cmp.Compare(x, y)
	case a == nil || b == nil:
		return cmp.Compare(bit(a != nil), bit(b != nil))
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

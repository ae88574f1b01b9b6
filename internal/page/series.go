package page

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxSeries bounds the lines of one panel: more cannot be told apart, and a query
// that groups by user would otherwise send one line for each.
const maxSeries = 200

// errUnsorted is Grafana's condition too: it cannot put the rows of several series
// side by side in any other order.
var errUnsorted = errors.New("rows are not in the order of time: add ORDER BY time")

// series makes points in time of rows, as the data source does: the first time
// column first, then the numbers; text columns become labels, one series for each
// combination of them.
func series(columns []column) ([]column, error) {
	times := slices.IndexFunc(columns, func(c column) bool { return c.kind == kindTime })
	if times < 0 {
		if len(columns) > 0 && len(columns[0].values) == 0 {
			return nil, nil
		}
		return nil, errors.New("a time series wants a column of times, got none (alias it as time)")
	}
	at := columns[times]
	for i := 1; i < len(at.values); i++ {
		a, okA := number(at.values[i-1])
		b, okB := number(at.values[i])
		if okA && okB && b < a {
			return nil, errUnsorted
		}
	}
	var labels, numbers []column
	for i, c := range columns {
		switch {
		case i == times:
		case c.kind == kindNumber:
			numbers = append(numbers, c)
		case c.kind == kindString || c.kind == kindBool:
			labels = append(labels, c)
		}
	}
	if len(labels) == 0 {
		return append([]column{at}, numbers...), nil
	}
	return pivot(at, labels, numbers)
}

// pivot puts rows of the same time side by side. A later row of the same time and
// labels replaces the earlier one, as in Grafana.
func pivot(at column, labels, numbers []column) ([]column, error) {
	wide := []column{{name: at.name, kind: kindTime}}
	index := map[string]int{} // where a combination of labels begins in wide
	for row, t := range at.values {
		if t == nil {
			continue
		}
		if n := len(wide[0].values); n == 0 || wide[0].values[n-1] != t {
			for i := range wide {
				wide[i].values = append(wide[i].values, nil)
			}
			wide[0].values[n] = t
		}
		key, set := labelsOf(labels, row)
		from, known := index[key]
		if !known {
			if len(wide)-1+len(numbers) > maxSeries {
				return nil, fmt.Errorf("more than %d series: group by less, or LIMIT the query", maxSeries)
			}
			from = len(wide)
			index[key] = from
			for _, c := range numbers {
				wide = append(wide, column{name: c.name, kind: kindNumber, labels: set, alone: len(numbers) == 1, values: make([]any, len(wide[0].values))})
			}
		}
		for i, c := range numbers {
			wide[from+i].values[len(wide[0].values)-1] = c.values[row]
		}
	}
	return wide, nil
}

func labelsOf(labels []column, row int) (key string, set map[string]string) {
	var b strings.Builder
	set = map[string]string{}
	for _, c := range labels {
		text := ""
		if c.values[row] != nil {
			text = fmt.Sprint(c.values[row])
		}
		fmt.Fprintf(&b, "%d:%s", len(text), text)
		set[c.name] = text
	}
	return b.String(), set
}

package page

// reducers make one value of a column, by the ids of Grafana's calculations.
var reducers = map[string]func([]any) any{
	"lastNotNull":  func(v []any) any { return pick(v, len(v)-1, -1, false) },
	"last":         func(v []any) any { return pick(v, len(v)-1, -1, true) },
	"firstNotNull": func(v []any) any { return pick(v, 0, 1, false) },
	"first":        func(v []any) any { return pick(v, 0, 1, true) },
	"count":        func(v []any) any { return float64(len(v)) },
	"sum":          func(v []any) any { return fold(v, func(a, b float64) float64 { return a + b }) },
	"min":          func(v []any) any { return fold(v, func(a, b float64) float64 { return min(a, b) }) },
	"max":          func(v []any) any { return fold(v, func(a, b float64) float64 { return max(a, b) }) },
	"mean":         mean,
	"range": func(v []any) any {
		high, ok := number(fold(v, func(a, b float64) float64 { return max(a, b) }))
		low, _ := number(fold(v, func(a, b float64) float64 { return min(a, b) }))
		if !ok {
			return nil
		}
		return high - low
	},
}

// pick returns the first value from one end, nulls counting or not.
func pick(values []any, from, by int, nulls bool) any {
	for i := from; i >= 0 && i < len(values); i += by {
		if values[i] != nil || nulls {
			return values[i]
		}
	}
	return nil
}

// fold joins the numbers of a column; nil if it has none.
func fold(values []any, join func(a, b float64) float64) any {
	var out float64
	found := false
	for _, value := range values {
		v, ok := number(value)
		if !ok {
			continue
		}
		if found {
			v = join(out, v)
		}
		out, found = v, true
	}
	if !found {
		return nil
	}
	return out
}

func mean(values []any) any {
	sum, ok := number(fold(values, func(a, b float64) float64 { return a + b }))
	if !ok {
		return nil
	}
	n := 0
	for _, value := range values {
		if _, ok := number(value); ok {
			n++
		}
	}
	return sum / float64(n)
}

package page

import (
	"fmt"
	"slices"
	"strings"
)

// all is the value that Grafana gives a variable whose choice is "All".
const all = "$__all"

// macros expands the data source's macros, innermost first.
func (q Query) macros(sql string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(sql); {
		switch token, kind := next(sql[i:]); kind {
		case comment:
			i += len(token)
		case macroName:
			expanded, n, err := q.call(sql[i:], token)
			if err != nil {
				return "", err
			}
			out.WriteString(expanded)
			i += n
		default:
			out.WriteString(token)
			i += len(token)
		}
	}
	return out.String(), nil
}

// call expands the macro that sql begins with; n is the length of what it replaces.
func (q Query) call(sql, name string) (expanded string, n int, err error) {
	m, known := macroTable[strings.TrimPrefix(name, "$__")]
	if !known {
		return name, len(name), nil
	}
	args, n, err := arguments(sql, len(name))
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	if len(args) != m.args {
		return "", 0, fmt.Errorf("%s: want %d arguments, got %d", name, m.args, len(args))
	}
	for i, a := range args {
		if args[i], err = q.macros(a); err != nil {
			return "", 0, err
		}
	}
	if expanded, err = m.expand(q, args); err != nil {
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	return expanded, n, nil
}

// conditions fills in $__conditionalAll(condition, $variable): the condition, or
// 1=1 where the variable stands for all values.
func (q Query) conditions(sql string) (string, error) {
	const name = "$__conditionalAll"
	for {
		i := strings.Index(sql, name)
		if i < 0 {
			return sql, nil
		}
		args, n, err := arguments(sql[i:], len(name))
		if err == nil && len(args) != 2 {
			err = fmt.Errorf("want 2 arguments, got %d", len(args))
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		variable := strings.Trim(strings.TrimPrefix(args[1], "$"), "{}")
		condition := args[0]
		if values := q.Variables[variable]; len(values) == 0 || values[0] == "" || slices.Contains(values, all) {
			condition = "1=1"
		}
		sql = sql[:i] + condition + sql[i+n:]
	}
}

// variables fills in $v, ${v}, ${v:format} and [[v]], in quotes too, as the browser
// does, and the two intervals that Grafana treats as variables.
func (q Query) variables(sql string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(sql); {
		name, format, n := reference(sql[i:])
		value, ok, err := q.value(name, format)
		if err != nil {
			return "", err
		}
		if n == 0 || !ok {
			out.WriteByte(sql[i])
			i++
			continue
		}
		out.WriteString(value)
		i += n
	}
	return out.String(), nil
}

// reference reads the variable reference that s begins with; n is its length.
func reference(s string) (name, format string, n int) {
	body, closing := "", ""
	switch {
	case strings.HasPrefix(s, "${"):
		body, closing = s[2:], "}"
	case strings.HasPrefix(s, "[["):
		body, closing = s[2:], "]]"
	case strings.HasPrefix(s, "$"):
		name = word(s[1:])
		if name == "" {
			return "", "", 0
		}
		return name, "", 1 + len(name)
	default:
		return "", "", 0
	}
	inner, _, closed := strings.Cut(body, closing)
	name, format, _ = strings.Cut(inner, ":")
	if !closed || name == "" || word(name) != name {
		return "", "", 0
	}
	return name, format, 2 + len(inner) + len(closing)
}

// escapes make text safe between quotes. Grafana's own :singlequote leaves backslashes
// alone, so that \' ends the text early; here a value is a value.
var escapes = strings.NewReplacer(`\`, `\\`, "'", `\'`)

func (q Query) value(name, format string) (value string, ok bool, err error) {
	switch name {
	case "__interval":
		return intervalText(q.Interval), true, nil
	case "__interval_ms":
		return fmt.Sprint(q.intervalMillis()), true, nil
	}
	values, ok := q.Variables[name]
	if !ok {
		return "", false, nil
	}
	if options := q.Options[name]; slices.Contains(values, all) && options != nil {
		values = options
	}
	switch {
	case format == "singlequote" || format == "" && len(values) > 1:
		quoted := make([]string, len(values))
		for i, v := range values {
			quoted[i] = "'" + escapes.Replace(v) + "'"
		}
		return strings.Join(quoted, ","), true, nil
	case format == "" || format == "raw":
		return strings.Join(values, ","), true, nil
	}
	return "", false, fmt.Errorf("variable %s: want format singlequote or raw, got %q", name, format)
}

package wire

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnsupported is wrapped when a column's type or serialisation is none that
// this package knows. HTTP takes every type: there the engine reads the blocks.
var ErrUnsupported = errors.New("column type not supported over the native protocol (use HTTP)")

// maxDepth bounds how deep types nest.
const maxDepth = 32

// sizes of the types that always have the same one, in bytes.
var sizes = map[string]int{
	"UInt8": 1, "UInt16": 2, "UInt32": 4, "UInt64": 8, "UInt128": 16, "UInt256": 32,
	"Int8": 1, "Int16": 2, "Int32": 4, "Int64": 8, "Int128": 16, "Int256": 32,
	"Float32": 4, "Float64": 8, "BFloat16": 2, "Bool": 1, "Nothing": 1,
	"Date": 2, "Date32": 4, "DateTime": 4, "DateTime64": 8, "Time": 4, "Time64": 8,
	"Enum8": 1, "Enum16": 2, "UUID": 16, "IPv4": 4, "IPv6": 16,
	"Decimal32": 4, "Decimal64": 8, "Decimal128": 16, "Decimal256": 32,
}

// aliases are types that are other types with a name.
var aliases = map[string]string{
	"Point": "Tuple(Float64, Float64)", "Ring": "Array(Point)", "LineString": "Array(Point)",
	"Polygon": "Array(Ring)", "MultiLineString": "Array(LineString)", "MultiPolygon": "Array(Polygon)",
}

// parseType returns the layout of a type as the server spells it.
func parseType(name string) (layout, error) { return parseNested(name, 0) }

func parseNested(name string, depth int) (layout, error) {
	name = strings.TrimSpace(name)
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: type nested deeper than %d", ErrMalformed, maxDepth)
	}
	base, args, err := split(name)
	if err != nil {
		return nil, err
	}
	if size := sizes[base]; size > 0 {
		return fixed{size: size}, nil
	}
	if alias := aliases[base]; alias != "" {
		return parseNested(alias, depth+1)
	}
	if strings.HasPrefix(base, "Interval") {
		return fixed{size: 8}, nil
	}
	switch base {
	case "String":
		return text{}, nil
	case "JSON":
		return document{}, nil
	case "FixedString", "Decimal":
		return parseSized(base, args)
	}
	l, err := parseComposite(base, args, depth)
	if err == nil && l == nil {
		err = fmt.Errorf("type %.100q: %w", name, ErrUnsupported)
	}
	return l, err
}

// parseComposite handles types made of others; nil for none of them.
func parseComposite(base string, args []string, depth int) (layout, error) {
	of := func(args []string) ([]layout, error) {
		var all []layout
		for _, arg := range args {
			l, err := parseNested(arg, depth+1)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
		return all, nil
	}
	switch base {
	case "SimpleAggregateFunction":
		if len(args) > 1 {
			return parseNested(args[1], depth+1)
		}
		return nil, nil
	case "Tuple", "Nested":
		args = unnamed(args)
	case "LowCardinality": // the dictionary of a nullable type has no nulls
		if len(args) == 1 && strings.HasPrefix(args[0], "Nullable(") {
			args = []string{strings.TrimSuffix(strings.TrimPrefix(args[0], "Nullable("), ")")}
		}
	case "Variant": // in the order of the discriminators
		args = slices.Sorted(slices.Values(args))
	case "Nullable", "Array", "Map":
	default:
		return nil, nil
	}
	all, err := of(args)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	switch {
	case base == "Tuple":
		return tuple(all), nil
	case base == "Nested", base == "Map" && len(all) == 2:
		return array{tuple(all)}, nil
	case base == "Variant" && len(all) < nullVariant:
		return variant(all), nil
	case base == "Nullable" && len(all) == 1:
		return nullable{all[0]}, nil
	case base == "Array" && len(all) == 1:
		return array{all[0]}, nil
	case base == "LowCardinality" && len(all) == 1:
		return lowCardinality{all[0]}, nil
	}
	return nil, nil
}

// parseSized handles FixedString(N) and Decimal(P, S).
func parseSized(base string, args []string) (layout, error) {
	n := 0
	if len(args) > 0 {
		n, _ = strconv.Atoi(args[0])
	}
	switch {
	case base == "FixedString" && n > 0 && n <= 1<<24:
		return fixed{size: n}, nil
	case base == "Decimal" && n > 0 && n <= 9:
		return fixed{size: 4}, nil
	case base == "Decimal" && n > 0 && n <= 18:
		return fixed{size: 8}, nil
	case base == "Decimal" && n > 0 && n <= 38:
		return fixed{size: 16}, nil
	case base == "Decimal" && n > 0 && n <= 76:
		return fixed{size: 32}, nil
	}
	return nil, fmt.Errorf("%w: type %s(%s)", ErrMalformed, base, strings.Join(args, ", "))
}

// split cuts "Map(String, Array(UInt8))" into "Map" and its arguments. Commas and
// brackets inside quotes, as in Enum8('a,b)' = 1), do not count.
func split(name string) (base string, args []string, err error) {
	base, rest, found := strings.Cut(name, "(")
	if !found {
		return name, nil, nil
	}
	depth, start := 0, 0
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\'', '`':
			i = skipQuoted(rest, i)
		case '(':
			depth++
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(rest[start:i]))
				start = i + 1
			}
		case ')':
			if depth--; depth < 0 {
				return base, append(args, strings.TrimSpace(rest[start:i])), nil
			}
		}
	}
	return "", nil, fmt.Errorf("%w: type %.100q without its closing bracket", ErrMalformed, name)
}

// skipQuoted returns the position of the quote that closes the one at i.
func skipQuoted(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case s[i]:
			return j
		}
	}
	return len(s)
}

// unnamed drops the element names of "a UInt8, `b c` String".
func unnamed(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = arg
		if strings.HasPrefix(arg, "`") {
			out[i] = strings.TrimSpace(arg[min(skipQuoted(arg, 0)+1, len(arg)):])
			continue
		}
		head, rest, found := strings.Cut(arg, " ")
		if found && !strings.ContainsAny(head, "(,'") {
			out[i] = strings.TrimSpace(rest)
		}
	}
	return out
}

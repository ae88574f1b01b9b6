package clickhouse

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"clickstream/internal/event"
)

// columnType is what a table's column takes.
type columnType struct {
	// name is the type as the server spells it; a prepared insert must show the same.
	name string
	// base is the type without Nullable and LowCardinality.
	base string
	// nullable columns take JSON null and absent fields as NULL.
	nullable bool
	// lowCardinality columns are sent as a dictionary and indexes.
	lowCardinality bool
	// width is the number of bytes of a value on the wire; 0 for String.
	width int
	// convert turns a JSON value into those bytes.
	convert converter
}

// parseType reads a type as system.columns shows it. The error says which types
// can be stored.
func parseType(name string) (columnType, error) {
	t := columnType{name: name, base: name}
	if inner, ok := unwrap(t.base, "LowCardinality"); ok {
		t.base, t.lowCardinality = inner, true
	}
	if inner, ok := unwrap(t.base, "Nullable"); ok {
		t.base, t.nullable = inner, true
	}
	if t.lowCardinality && t.base != "String" {
		return t, fmt.Errorf("type %s cannot be stored: of LowCardinality only String can", name)
	}
	var err error
	if t.width, t.convert, err = base(t.base); err != nil {
		return columnType{}, err
	}
	return t, nil
}

func unwrap(name, outer string) (inner string, ok bool) {
	inner, ok = strings.CutPrefix(name, outer+"(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return name, false
	}
	return inner[:len(inner)-1], true
}

// integers are the whole number types by name.
var integers = map[string]integer{
	"Int8":   {width: 1, min: math.MaxInt8 + 1, max: math.MaxInt8},
	"Int16":  {width: 2, min: math.MaxInt16 + 1, max: math.MaxInt16},
	"Int32":  {width: 4, min: math.MaxInt32 + 1, max: math.MaxInt32},
	"Int64":  {width: 8, min: math.MaxInt64 + 1, max: math.MaxInt64},
	"UInt8":  {width: 1, max: math.MaxUint8},
	"UInt16": {width: 2, max: math.MaxUint16},
	"UInt32": {width: 4, max: math.MaxUint32},
	"UInt64": {width: 8, max: math.MaxUint64},
}

func base(name string) (width int, c converter, err error) {
	if kind, ok := integers[name]; ok {
		kind.name = name
		return kind.width, &kind, nil
	}
	switch name {
	case "String":
		return 0, text{}, nil
	case "UUID":
		return 16, uuid{}, nil
	case "Bool":
		return 1, boolean{}, nil
	case "Float32":
		return 4, &float{name: name, bits: 32}, nil
	case "Float64":
		return 8, &float{name: name, bits: 64}, nil
	case "Date":
		return 2, &date{name: name, width: 2, min: 0, max: math.MaxUint16}, nil
	case "Date32":
		return 4, &date{name: name, width: 4, min: firstDay, max: lastDay}, nil
	}
	return withParameters(name)
}

// maxFixed bounds FixedString: each of its values takes the whole length.
const maxFixed = 1 << 20

func withParameters(name string) (width int, c converter, err error) {
	kind, rest, _ := strings.Cut(name, "(")
	params := strings.TrimSuffix(rest, ")")
	switch kind {
	case "FixedString":
		n, err := strconv.Atoi(params)
		if err != nil || n < 1 || n > maxFixed {
			return 0, nil, fmt.Errorf("type %s cannot be stored: want 1 to %d bytes", name, maxFixed)
		}
		return n, fixed(n), nil
	case "Decimal":
		return newDecimal(name, params)
	case "DateTime":
		return 4, newMoment(name, 4, 0), nil
	case "DateTime64":
		digits, _, _ := strings.Cut(params, ",")
		scale, err := strconv.Atoi(digits)
		if err != nil || scale < 0 || scale > 9 {
			return 0, nil, fmt.Errorf("type %s cannot be stored: want 0 to 9 digits", name)
		}
		return 8, newMoment(name, 8, scale), nil
	case "Enum8", "Enum16":
		return newEnum(name, kind, params)
	}
	return 0, nil, fmt.Errorf("type %s cannot be stored; the types that can: String, FixedString, LowCardinality(String), UUID, Int8 to Int64, "+
		"UInt8 to UInt64, Float32, Float64, Decimal up to 38 digits, Bool, Date, Date32, DateTime, DateTime64, Enum8, Enum16, and Nullable of these", name)
}

// cell is one value on its way into a column: its kind, and its text with the
// escapes resolved.
type cell struct {
	kind event.Kind
	text []byte
}

// converter turns values into the wire form of one type. It holds no state of a
// block, so that a row can be taken back by cutting the column's bytes.
type converter interface {
	// append appends the wire form of c to dst, or says why it cannot.
	append(dst []byte, c cell) ([]byte, *event.Rejection)
	// bound sets the smallest and the largest value to let through; an empty text
	// sets none.
	bound(min, max string) error
}

// moments are the converters that take a record's time.
type moments interface {
	appendMoment(dst []byte, t event.Instant) []byte
}

func wrongType(want string, got event.Kind) *event.Rejection {
	return &event.Rejection{Reason: event.ReasonType, Message: "want " + want + ", got " + got.String()}
}

func outOfRange(want string) *event.Rejection {
	return &event.Rejection{Reason: event.ReasonRange, Message: "want " + want}
}

func noOrder(name string) error {
	return fmt.Errorf("type %s has no order: want a number or a time", name)
}

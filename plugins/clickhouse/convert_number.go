package clickhouse

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"clickstream/internal/event"
)

// limits are the smallest and the largest value that a column lets through, as the
// user set them. Both are inclusive.
type limits struct {
	min, max       event.Decimal
	hasMin, hasMax bool
	text           string // "from 0 to 10"
}

// newLimits parses both texts by the column's scale.
func newLimits(min, max string, scale int) (l limits, err error) {
	if l.min, l.hasMin, err = parseLimit(min, scale); err != nil {
		return l, err
	}
	if l.max, l.hasMax, err = parseLimit(max, scale); err != nil {
		return l, err
	}
	l.text = span(min, max)
	return l, nil
}

func parseLimit(s string, scale int) (d event.Decimal, ok bool, err error) {
	if s == "" {
		return d, false, nil
	}
	if c := s[0]; !json.Valid([]byte(s)) || c != '-' && (c < '0' || c > '9') {
		return d, false, fmt.Errorf("want a number, got %q", s)
	}
	d, ok = event.ParseDecimal([]byte(s), scale)
	if !ok || d.Rest != 0 {
		return d, false, fmt.Errorf("want a number of at most %d digits after the point, got %s", scale, s)
	}
	return d, true, nil
}

func span(min, max string) string {
	switch {
	case max == "":
		return "at least " + min
	case min == "":
		return "at most " + max
	}
	return "from " + min + " to " + max
}

func (l *limits) allow(d event.Decimal) bool {
	return (!l.hasMin || d.Compare(l.min) >= 0) && (!l.hasMax || d.Compare(l.max) <= 0)
}

// integer is a whole number of 8 to 64 bits. min is the magnitude of the smallest
// value. Numbers written with a point or exponent are taken if they are whole.
type integer struct {
	name     string
	width    int
	min, max uint64
	limits   limits
}

func (n *integer) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.Number {
		return dst, wrongType("a whole number", c.kind)
	}
	d, ok := event.ParseDecimal(c.text, 0)
	switch {
	case d.Rest != 0:
		return dst, &event.Rejection{Reason: event.ReasonType, Message: "want a whole number, got a fraction"}
	case !ok || d.Hi != 0 || d.Negative && d.Lo > n.min || !d.Negative && d.Lo > n.max:
		return dst, outOfRange("a number that fits in " + n.name)
	case !n.limits.allow(d):
		return dst, outOfRange("a number " + n.limits.text)
	}
	return n.appendWhole(dst, d.Negative, d.Lo), nil
}

func (n *integer) appendWhole(dst []byte, negative bool, magnitude uint64) []byte {
	if negative {
		magnitude = -magnitude
	}
	return appendInt(dst, n.width, magnitude)
}

func (n *integer) bound(min, max string) (err error) {
	n.limits, err = newLimits(min, max, 0)
	return err
}

// decimal is Decimal(P, S): a whole number of 32, 64 or 128 bits.
type decimal struct {
	name   string
	width  int
	scale  int
	max    event.Decimal // the first magnitude of too many digits: ten to the precision
	limits limits
}

// newDecimal reads "18, 4".
func newDecimal(name, params string) (width int, c converter, err error) {
	p, s, _ := strings.Cut(params, ",")
	precision, err := strconv.Atoi(p)
	scale, err2 := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || err2 != nil || precision < 1 || precision > 38 || scale < 0 || scale > precision {
		return 0, nil, fmt.Errorf("type %s cannot be stored: want Decimal of 1 to 38 digits", name)
	}
	d := &decimal{name: name, width: 16, scale: scale}
	switch {
	case precision <= 9:
		d.width = 4
	case precision <= 18:
		d.width = 8
	}
	d.max.Lo = 1
	for range precision {
		carry, lo := bits.Mul64(d.max.Lo, 10)
		d.max.Hi, d.max.Lo = d.max.Hi*10+carry, lo
	}
	return d.width, d, nil
}

func (n *decimal) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.Number {
		return dst, wrongType("a number", c.kind)
	}
	d, ok := event.ParseDecimal(c.text, n.scale)
	if !ok || d.Hi > n.max.Hi || d.Hi == n.max.Hi && d.Lo >= n.max.Lo {
		return dst, outOfRange("a number that fits in " + n.name)
	}
	if !n.limits.allow(d) {
		return dst, outOfRange("a number " + n.limits.text)
	}
	hi, lo := d.Hi, d.Lo
	if d.Negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	if n.width < 16 {
		return appendInt(dst, n.width, lo), nil
	}
	dst = binary.LittleEndian.AppendUint64(dst, lo)
	return binary.LittleEndian.AppendUint64(dst, hi), nil
}

func (n *decimal) bound(min, max string) (err error) {
	n.limits, err = newLimits(min, max, n.scale)
	return err
}

// float is Float32 or Float64. NaN and infinity are no JSON; a number too large for
// the type is out of range instead of infinity.
type float struct {
	name     string
	bits     int
	min, max float64
	limited  bool
	text     string
}

func (n *float) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.Number {
		return dst, wrongType("a number", c.kind)
	}
	f, ok := event.ParseFloat(c.text, n.bits)
	if !ok {
		return dst, outOfRange("a number that fits in " + n.name)
	}
	if n.limited && (f < n.min || f > n.max) {
		return dst, outOfRange("a number " + n.text)
	}
	if n.bits == 32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

func (n *float) bound(min, max string) (err error) {
	n.limited, n.min, n.max, n.text = true, math.Inf(-1), math.Inf(1), span(min, max)
	if min != "" {
		n.min, err = strconv.ParseFloat(min, n.bits)
	}
	if err == nil && max != "" {
		n.max, err = strconv.ParseFloat(max, n.bits)
	}
	if err != nil || math.IsNaN(n.min) || math.IsNaN(n.max) {
		return fmt.Errorf("want numbers, got %q and %q", min, max)
	}
	return nil
}

package event

import "math/bits"

// Decimal is a whole number of 128 bits, sign and magnitude: the value of a JSON
// number times ten to the scale that was asked for.
type Decimal struct {
	Hi, Lo   uint64
	Negative bool
	// Rest is the sign of what rounding took away: the number in the document minus
	// this one. A limit of zero thus refuses -0.00001, though it rounds to zero.
	Rest int8
}

// ParseDecimal reads a JSON number (which must have been scanned) as a decimal with
// scale digits after the point, 0 to 38. Digits past the scale are rounded half to
// even on the decimal text: no float is involved. ok is false when the magnitude
// does not fit in 127 bits, which is more than 38 digits.
func ParseDecimal(s []byte, scale int) (d Decimal, ok bool) {
	if v, ok := plainDecimal(s, scale); ok {
		return Decimal{Lo: v}, true
	}
	n := splitNumber(s)
	d.Negative = n.negative
	keep := n.count + n.exponent + scale // digits of the result's whole part
	if n.count == 0 {
		d.Negative = false
		return d, true
	}
	if keep > 39 {
		return d, false
	}
	if ok = d.accumulate(n, keep); ok && d.Rest != 0 && d.Negative {
		d.Rest = -d.Rest
	}
	if d.Hi|d.Lo == 0 {
		d.Negative = false
	}
	return d, ok && d.Hi>>63 == 0
}

// plainDecimal reads what most numbers are: no sign, no exponent, at most 18 digits
// with those that the scale adds, and none to round.
func plainDecimal(s []byte, scale int) (v uint64, ok bool) {
	left := -1 // digits of the scale that are not there yet; below zero before the point
	if len(s)+scale > 18 {
		return 0, false
	}
	for _, c := range s {
		switch {
		case c-'0' <= 9 && left != 0:
			v = v*10 + uint64(c-'0')
			if left > 0 {
				left--
			}
		case c == '.' && left < 0 && scale > 0:
			left = scale
		default:
			return 0, false
		}
	}
	if left < 0 {
		left = scale
	}
	for ; left > 0; left-- {
		v *= 10
	}
	return v, true
}

// Int64 returns the value, and whether it fits.
func (d Decimal) Int64() (v int64, ok bool) {
	switch {
	case d.Hi != 0:
		return 0, false
	case d.Negative:
		return -int64(d.Lo), d.Lo <= 1<<63
	}
	return int64(d.Lo), d.Lo < 1<<63
}

// Compare returns -1, 0 or 1 as d is below, equal to or above e. What rounding took
// away from d counts.
func (d Decimal) Compare(e Decimal) int {
	if c := d.compareWhole(e); c != 0 {
		return c
	}
	return int(d.Rest)
}

func (d Decimal) compareWhole(e Decimal) int {
	if d.Negative != e.Negative {
		if d.Negative {
			return -1
		}
		return 1
	}
	c := compareUint(d.Hi, e.Hi)
	if c == 0 {
		c = compareUint(d.Lo, e.Lo)
	}
	if d.Negative {
		return -c
	}
	return c
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// parts is a number taken apart: its significant digits, from the first that is
// not zero, are text's digits from that byte on; its value is those digits as a
// whole number times ten to the exponent.
type parts struct {
	text     []byte // from the first significant digit on; may hold the point
	count    int
	exponent int
	negative bool
}

// maxExponent stands for every exponent beyond it: no document that fits in memory
// brings such a number back into range.
const maxExponent = 1 << 40

func splitNumber(s []byte) (n parts) {
	i := 0
	if s[0] == '-' {
		n.negative = true
		i++
	}
	first, point, end := -1, -1, i
	for ; end < len(s); end++ {
		c := s[end]
		if c == '.' {
			point = end
			continue
		}
		if c-'0' > 9 {
			break
		}
		if c != '0' && first < 0 {
			first = end
		}
	}
	if first < 0 {
		return n
	}
	n.text = s[first:end]
	n.count = end - first
	if point >= 0 {
		n.exponent = point + 1 - end
		if point > first {
			n.count--
		}
	}
	if end < len(s) {
		n.exponent += parseExponent(s[end+1:])
	}
	return n
}

func parseExponent(s []byte) (e int) {
	negative := s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	for _, c := range s {
		if e = e*10 + int(c-'0'); e > maxExponent {
			e = maxExponent
		}
	}
	if negative {
		return -e
	}
	return e
}

// accumulate makes d the first keep digits of n, rounded by the ones behind, or all
// of them times the power of ten that is missing.
func (d *Decimal) accumulate(n parts, keep int) bool {
	taken := 0
	tail := n.text
	for i, c := range n.text {
		if c == '.' {
			continue
		}
		if taken >= keep {
			tail = n.text[i:]
			break
		}
		if !d.push(uint64(c - '0')) {
			return false
		}
		taken++
		tail = n.text[i+1:]
	}
	for ; taken < keep; taken++ {
		if !d.push(0) {
			return false
		}
	}
	return d.round(tail, keep < 0)
}

// push appends a digit to the magnitude.
func (d *Decimal) push(digit uint64) bool {
	if d.Hi == 0 && d.Lo < 1<<60 { // the usual case: no carry possible
		d.Lo = d.Lo*10 + digit
		return true
	}
	carry, lo := bits.Mul64(d.Lo, 10)
	over, hi := bits.Mul64(d.Hi, 10)
	lo, c := bits.Add64(lo, digit, 0)
	hi, c2 := bits.Add64(hi, carry, c)
	d.Hi, d.Lo = hi, lo
	return over == 0 && c2 == 0
}

// round rounds half to even by the digits that were cut off; small says that zeros
// stand between the magnitude and them. Rest is set for the magnitude.
func (d *Decimal) round(tail []byte, small bool) bool {
	half, sticky := byte('0'), false
	first := true
	for _, c := range tail {
		if c == '.' {
			continue
		}
		if first && !small {
			half = c
		} else if c != '0' {
			sticky = true
		}
		first = false
	}
	if half == '0' && !sticky {
		return true
	}
	up := half > '5' || half == '5' && (sticky || d.Lo&1 == 1)
	if !up {
		d.Rest = 1
		return true
	}
	d.Rest = -1
	var carry uint64
	d.Lo, carry = bits.Add64(d.Lo, 1, 0)
	d.Hi, carry = bits.Add64(d.Hi, 0, carry)
	return carry == 0
}

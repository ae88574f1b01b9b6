package event

import (
	"math"
	"strconv"
)

// ParseFloat reads a JSON number (which must have been scanned) as the nearest
// float of 32 or 64 bits, as strconv.ParseFloat does; ok is false when that is not
// finite. Short numbers take Clinger's fast path, exact because both factors are;
// the rest pay strconv's allocation.
func ParseFloat(s []byte, bitSize int) (f float64, ok bool) {
	if f, ok = shortFloat(s, bitSize); ok {
		return f, true
	}
	f, err := strconv.ParseFloat(string(s), bitSize)
	return f, err == nil && !math.IsInf(f, 0)
}

var (
	powers64 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}
	powers32 = [...]float32{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}
)

func shortFloat(s []byte, bitSize int) (float64, bool) {
	n := splitNumber(s)
	if n.count == 0 || n.count > 15 || n.exponent < -22 || n.exponent > 22 {
		return 0, false
	}
	var mantissa uint64
	for _, c := range n.text {
		if c != '.' {
			mantissa = mantissa*10 + uint64(c-'0')
		}
	}
	if bitSize == 32 {
		return float32Of(mantissa, n)
	}
	f := float64(mantissa)
	if n.exponent < 0 {
		f /= powers64[-n.exponent]
	} else {
		f *= powers64[n.exponent]
	}
	if n.negative {
		f = -f
	}
	return f, true
}

func float32Of(mantissa uint64, n parts) (float64, bool) {
	if mantissa > 1<<24 || n.exponent < -10 || n.exponent > 10 {
		return 0, false
	}
	f := float32(mantissa)
	if n.exponent < 0 {
		f /= powers32[-n.exponent]
	} else {
		f *= powers32[n.exponent]
	}
	if n.negative {
		f = -f
	}
	return float64(f), true
}

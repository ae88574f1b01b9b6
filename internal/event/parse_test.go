package event

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestParseDecimal(t *testing.T) {
	for _, tc := range []struct {
		in    string
		scale int
		want  string
		rest  int8
	}{
		{"29.99", 4, "299900", 0},
		{"-0", 4, "0", 0},
		{"0.00005", 4, "0", 1},
		{"0.00015", 4, "2", -1},
		{"0.00025", 4, "2", 1},
		{"0.000250000001", 4, "3", -1},
		{"-0.00001", 4, "0", -1},
		{"1e3", 2, "100000", 0},
		{"1.5e-1", 2, "15", 0},
		{"1e-400", 4, "0", 1},
		{"0e999999999999999999999", 4, "0", 0},
		{"1e999999999999999999999", 4, "too large", 0},
		{"1e-999999999999999999999", 4, "0", 1},
		{"99999999999999999999999999999999999999", 0, "99999999999999999999999999999999999999", 0},
		{"170141183460469231731687303715884105727", 0, "170141183460469231731687303715884105727", 0},
		{"170141183460469231731687303715884105728", 0, "too large", 0},
		{"18446744073709551616.5", 0, "18446744073709551616", 1},
		{"-12345678901234567890.12345", 4, "-123456789012345678901234", -1},
	} {
		d, ok := ParseDecimal([]byte(tc.in), tc.scale)
		got := "too large"
		if ok {
			got = bigOf(d).String()
		}
		if got != tc.want || ok && d.Rest != tc.rest {
			t.Errorf("ParseDecimal(%s, %d)\n got %s rest %d\nwant %s rest %d", tc.in, tc.scale, got, d.Rest, tc.want, tc.rest)
		}
	}
}

func TestDecimalCompare(t *testing.T) {
	zero := Decimal{}
	for in, want := range map[string]int{"0": 0, "-0": 0, "-0.00001": -1, "0.00001": 1, "-1": -1, "1": 1, "-1e30": -1, "1e30": 1} {
		d, ok := ParseDecimal([]byte(in), 4)
		if got := d.Compare(zero); !ok || got != want {
			t.Errorf("Compare(%s, 0)\n got %d, %v\nwant %d", in, got, ok, want)
		}
	}
}

func bigOf(d Decimal) *big.Int {
	b := new(big.Int).SetUint64(d.Hi)
	b.Or(b.Lsh(b, 64), new(big.Int).SetUint64(d.Lo))
	if d.Negative {
		b.Neg(b)
	}
	return b
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// FuzzDecimal holds ParseDecimal against math/big: the same whole number after
// rounding half to even, and the same sign of the rest.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"29.99", "-0.00005", "1e20", "123456789012345678901234567890.5", "5e-1", "0.15e1", "1.25E-3", "0", "29.9900", "29.99001", "999999999999999999", "10000000000000.5"} {
		f.Add(s, uint8(4))
	}
	f.Fuzz(func(t *testing.T, s string, scale uint8) {
		if len(s) > 120 || !jsonNumber.MatchString(s) || scale > 38 {
			return
		}
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
			return // math/big would build the power of ten
		}
		want, rest := rounded(s, int(scale))
		d, ok := ParseDecimal([]byte(s), int(scale))
		if fits := want.BitLen() <= 127; ok != fits {
			t.Fatalf("ParseDecimal(%s, %d)\n got ok %v\nwant %v", s, scale, ok, fits)
		}
		if ok && (bigOf(d).Cmp(want) != 0 || int(d.Rest) != rest) {
			t.Fatalf("ParseDecimal(%s, %d)\n got %s rest %d\nwant %s rest %d", s, scale, bigOf(d), d.Rest, want, rest)
		}
	})
}

func rounded(s string, scale int) (whole *big.Int, rest int) {
	exact, _ := new(big.Rat).SetString(s)
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	exact.Mul(exact, new(big.Rat).SetInt(power))
	whole = new(big.Int).Div(exact.Num(), exact.Denom()) // towards minus infinity
	above := new(big.Rat).Sub(exact, new(big.Rat).SetInt(whole))
	switch above.Cmp(big.NewRat(1, 2)) {
	case 1:
		whole.Add(whole, big.NewInt(1))
	case 0:
		whole.Add(whole, new(big.Int).And(whole, big.NewInt(1)))
	}
	return whole, exact.Cmp(new(big.Rat).SetInt(whole))
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-15T14:30:00.123Z":        "2026-01-15T14:30:00.123Z",
		"2026-01-15T14:30:00+05:30":       "2026-01-15T09:00:00Z",
		"2024-02-29T00:00:00-00:00":       "2024-02-29T00:00:00Z",
		"0000-01-01T00:00:00Z":            "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":  "9999-12-31T23:59:59.999999999Z",
		"2026-01-15T14:30:00.1234567899Z": "2026-01-15T14:30:00.123456789Z",
		"2026-01-15T14:30:00":             "bad",
		"2026-01-15 14:30:00Z":            "bad",
		"2026-01-15t14:30:00z":            "bad",
		"2026-01-15T14:30:00,123Z":        "bad",
		"2026-01-15T14:30:00.Z":           "bad",
		"2026-01-15T14:30:60Z":            "bad",
		"2026-01-15T24:00:00Z":            "bad",
		"2026-02-29T00:00:00Z":            "bad",
		"2026-13-01T00:00:00Z":            "bad",
		"2026-01-15T14:30:00+24:00":       "bad",
		"2026-01-15T14:30:00+0530":        "bad",
		"1768487400":                      "bad",
		"":                                "bad",
	} {
		got := "bad"
		if at, ok := ParseTime([]byte(in)); ok {
			got = time.Unix(at.Seconds, int64(at.Nanos)).UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("ParseTime(%s)\n got %s\nwant %s", in, got, want)
		}
	}
}

// rfc3339 is the shape that the standard library means but does not insist on: it
// also takes one digit of hour, a comma, and zones of 24 hours or 60 minutes.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// FuzzTime holds ParseTime against the standard library's RFC 3339.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-01-15T14:30:00.123Z", "0000-02-29T23:59:59-23:59", "1999-12-31T00:00:00.5+01:00", "2026-01-15T14:30:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want time.Time
		err := want.UnmarshalText([]byte(s))
		got, ok := ParseTime([]byte(s))
		if ok != (err == nil && rfc3339.MatchString(s)) {
			t.Fatalf("ParseTime(%q)\n got %v\nwant %v", s, ok, err)
		}
		if ok && (got.Seconds != want.Unix() || int(got.Nanos) != want.Nanosecond()) {
			t.Fatalf("ParseTime(%q)\n got %d.%09d\nwant %d.%09d", s, got.Seconds, got.Nanos, want.Unix(), want.Nanosecond())
		}
		c := Calendar{}
		_, _ = c.ParseTime([]byte("2026-01-15T14:30:00.123Z"))
		for range 2 { // with another date remembered, then with its own
			if again, same := c.ParseTime([]byte(s)); again != got || same != ok {
				t.Fatalf("Calendar.ParseTime(%q)\n got %v, %v\nwant %v, %v", s, again, same, got, ok)
			}
		}
	})
}

// FuzzDate holds ParseDate against time.Parse.
func FuzzDate(f *testing.F) {
	f.Add("2026-01-15")
	f.Add("0000-02-29")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := time.Parse(time.DateOnly, s)
		got, ok := ParseDate([]byte(s))
		if ok != (err == nil) || ok && got*86400 != want.Unix() {
			t.Fatalf("ParseDate(%q)\n got %d, %v\nwant %v, %v", s, got, ok, want, err)
		}
	})
}

// FuzzUUID holds ParseUUID against google/uuid, whose other forms it refuses.
func FuzzUUID(f *testing.F) {
	f.Add("0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b")
	f.Add("0193A2B4-7C1D-7E3F-8A9B-0C1D2E3F4A5G")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := uuid.Parse(s)
		got, ok := ParseUUID([]byte(s))
		if ok != (err == nil && len(s) == 36) || ok && got != want {
			t.Fatalf("ParseUUID(%q)\n got %x, %v\nwant %x, %v", s, got, ok, want, err)
		}
	})
}

// FuzzFloat holds ParseFloat against strconv, bit by bit.
func FuzzFloat(f *testing.F) {
	for _, s := range []string{"29.99", "-0", "1e22", "1e400", "16777217", "0.1e-10", "123456789012345", "1e-400", "9007199254740993"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !jsonNumber.MatchString(s) {
			return
		}
		for _, size := range []int{32, 64} {
			want, err := strconv.ParseFloat(s, size)
			got, ok := ParseFloat([]byte(s), size)
			if ok != (err == nil) || ok && math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("ParseFloat(%s, %d)\n got %v, %v\nwant %v, %v", s, size, got, ok, want, err)
			}
		}
	})
}

func TestParseAllocatesNothing(t *testing.T) {
	for name, f := range map[string]func(){
		"decimal": func() { ParseDecimal([]byte("12345678901234567890.12345"), 4) },
		"time":    func() { ParseTime([]byte("2026-01-15T14:30:00.123Z")) },
		"uuid":    func() { ParseUUID([]byte("0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b")) },
		"float":   func() { ParseFloat([]byte("29.99"), 64) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: allocations\n got %v\nwant 0", name, got)
		}
	}
}

func BenchmarkParseDecimal(b *testing.B) {
	in := []byte("29.99")
	for b.Loop() {
		ParseDecimal(in, 4)
	}
}

func BenchmarkParseTime(b *testing.B) {
	in := []byte("2026-01-15T14:30:00.123Z")
	for b.Loop() {
		ParseTime(in)
	}
}

func BenchmarkParseUUID(b *testing.B) {
	in := []byte("0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b")
	for b.Loop() {
		ParseUUID(in)
	}
}

package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Kind is the type of one JSON value.
type Kind uint8

// The kinds. Absent is the zero value: the document holds no such field.
const (
	Absent Kind = iota
	Null
	False
	True
	Number
	// String is a text without escapes: its bytes can be used as they stand.
	String
	// Escaped is a text that holds at least one backslash.
	Escaped
	Array
	Object
)

var kindNames = [...]string{"nothing", "null", "a boolean", "a boolean", "a number", "a string", "a string", "an array", "an object"}

// String names the kind as an error message does: "a number".
func (k Kind) String() string { return kindNames[k] }

// What can be wrong with a document. The numbers are indexes of syntaxText.
const (
	errNone = iota
	errEnd
	errObject
	errKey
	errColon
	errComma
	errValue
	errNumber
	errControl
	errEscape
	errSurrogate
	errUTF8
	errDepth
	errTrailing
)

var syntaxText = [...]string{
	"", "unexpected end", "want a JSON object", "want a field name", "want a colon", "want a comma or the end",
	"want a value", "bad number", "control character in a string", "bad escape", "half a surrogate pair",
	"invalid UTF-8", "nested too deep", "data after the object",
}

// fault says what is wrong at which byte; its zero value is "nothing". It is a
// value so that the hot path returns it without an allocation.
type fault struct{ code, at int }

// token is one value of a document: doc[start:end], for a text without its quotes.
type token struct {
	kind       Kind
	start, end int
}

// maxDepth bounds nesting; a web event nests two or three levels.
const maxDepth = 256

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\t' || doc[i] == '\r') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipPlain returns the index of the first byte from i on that needs a look: quote,
// backslash, control character or non-ASCII. Eight bytes a step.
func skipPlain(doc []byte, i int) int {
	for ; i+8 <= len(doc); i += 8 {
		w := binary.LittleEndian.Uint64(doc[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		hit := (w | (w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)>>3
		}
	}
	for i < len(doc) && doc[i] >= 0x20 && doc[i] < utf8.RuneSelf && doc[i] != '"' && doc[i] != '\\' {
		i++
	}
	return i
}

// scanText scans a string whose opening quote is doc[i-1]; the token's end is its
// closing quote.
func scanText(doc []byte, i int) (token, fault) {
	t := token{kind: String, start: i}
	for {
		i = skipPlain(doc, i)
		if i >= len(doc) {
			return t, fault{errEnd, i}
		}
		switch c := doc[i]; {
		case c == '"':
			t.end = i
			return t, fault{}
		case c == '\\':
			n, code := escape(doc[i:])
			if code != errNone {
				return t, fault{code, i}
			}
			t.kind = Escaped
			i += n
		case c < 0x20:
			return t, fault{errControl, i}
		default:
			r, n := utf8.DecodeRune(doc[i:])
			if r == utf8.RuneError && n == 1 {
				return t, fault{errUTF8, i}
			}
			i += n
		}
	}
}

// escape returns the length of the escape that s begins with.
func escape(s []byte) (n, code int) {
	if len(s) < 2 {
		return 0, errEnd
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, errNone
	case 'u':
		_, n, code = unicodeEscape(s)
		return n, code
	}
	return 0, errEscape
}

// unicodeEscape reads \uXXXX, or the two of a surrogate pair.
func unicodeEscape(s []byte) (r rune, n, code int) {
	r, ok := hex4(s)
	switch {
	case !ok:
		return 0, 0, errEscape
	case r < 0xd800 || r > 0xdfff:
		return r, 6, errNone
	}
	low, ok := hex4(s[6:])
	if !ok || r > 0xdbff || low < 0xdc00 || low > 0xdfff {
		return 0, 0, errSurrogate
	}
	return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, 12, errNone
}

func hex4(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		d := hexDigit[c]
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// hexDigit is the value of a hexadecimal digit, -1 for any other byte.
var hexDigit = func() (table [256]int8) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9':
			table[c] = int8(c - '0')
		case c >= 'a' && c <= 'f':
			table[c] = int8(c - 'a' + 10)
		case c >= 'A' && c <= 'F':
			table[c] = int8(c - 'A' + 10)
		default:
			table[c] = -1
		}
	}
	return table
}()

// scanNumber scans a number that begins at i, by RFC 8259's grammar.
func scanNumber(doc []byte, i int) (token, fault) {
	t := token{kind: Number, start: i}
	if doc[i] == '-' {
		i++
	}
	first := i
	if i = skipDigits(doc, i); i == first || doc[first] == '0' && i > first+1 {
		return t, fault{errNumber, t.start}
	}
	if i < len(doc) && doc[i] == '.' {
		from := i + 1
		if i = skipDigits(doc, from); i == from {
			return t, fault{errNumber, t.start}
		}
	}
	if i < len(doc) && doc[i]|0x20 == 'e' {
		from := i + 1
		if from < len(doc) && (doc[from] == '+' || doc[from] == '-') {
			from++
		}
		if i = skipDigits(doc, from); i == from {
			return t, fault{errNumber, t.start}
		}
	}
	t.end = i
	return t, fault{}
}

func skipDigits(doc []byte, i int) int {
	for i < len(doc) && doc[i]-'0' <= 9 {
		i++
	}
	return i
}

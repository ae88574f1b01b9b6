package clickhouse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"clickstream/internal/event"
)

// text is String: the bytes as they stand; the column keeps their lengths.
type text struct {
	maxBytes int // 0: any length
}

func (t text) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.String {
		return dst, wrongType("a string", c.kind)
	}
	if t.maxBytes > 0 && len(c.text) > t.maxBytes {
		return dst, tooLong(t.maxBytes, len(c.text))
	}
	return append(dst, c.text...), nil
}

func tooLong(want, got int) *event.Rejection {
	return outOfRange("at most " + strconv.Itoa(want) + " bytes, got " + strconv.Itoa(got))
}

func (text) bound(_, _ string) error { return noOrder("String") }

// fixed is FixedString: shorter texts are filled with zero bytes, as the server does.
type fixed int

func (n fixed) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.String {
		return dst, wrongType("a string", c.kind)
	}
	if len(c.text) > int(n) {
		return dst, tooLong(int(n), len(c.text))
	}
	dst = append(dst, c.text...)
	return append(dst, make([]byte, int(n)-len(c.text))...), nil
}

func (n fixed) bound(_, _ string) error { return noOrder("FixedString") }

// uuid is sent as two little-endian numbers.
type uuid struct{}

func (uuid) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.String {
		return dst, wrongType("a UUID", c.kind)
	}
	id, ok := event.ParseUUID(c.text)
	if !ok {
		return dst, &event.Rejection{Reason: event.ReasonType, Message: "want a UUID, got another text"}
	}
	dst = binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(id[:8]))
	return binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(id[8:])), nil
}

func (uuid) bound(_, _ string) error { return noOrder("UUID") }

// boolean is one byte.
type boolean struct{}

func (boolean) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	switch c.kind {
	case event.True:
		return append(dst, 1), nil
	case event.False:
		return append(dst, 0), nil
	}
	return dst, wrongType("a boolean", c.kind)
}

func (boolean) bound(_, _ string) error { return noOrder("Bool") }

// enum is Enum8 or Enum16: the number that the table gives each name.
type enum struct {
	width int
	names [][]byte
	codes []int64
	want  string
}

func (e *enum) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.String {
		return dst, wrongType(e.want, c.kind)
	}
	for i, name := range e.names {
		if bytes.Equal(name, c.text) {
			return appendInt(dst, e.width, uint64(e.codes[i])), nil
		}
	}
	return dst, &event.Rejection{Reason: event.ReasonValue, Message: "want " + e.want + ", got another text"}
}

func (e *enum) bound(_, _ string) error { return noOrder("Enum") }

// maxNames is how many names of an Enum a message lists.
const maxNames = 8

// newEnum reads "'a' = 1, 'b' = 2".
func newEnum(name, kind, params string) (width int, c converter, err error) {
	e := &enum{width: 1}
	if kind == "Enum16" {
		e.width = 2
	}
	for rest := params; rest != ""; {
		var label string
		var code int64
		if label, code, rest, err = enumEntry(rest); err != nil {
			return 0, nil, fmt.Errorf("type %s: %w", name, err)
		}
		e.names, e.codes = append(e.names, []byte(label)), append(e.codes, code)
	}
	e.want = "one of the column's " + strconv.Itoa(len(e.names)) + " names"
	if len(e.names) <= maxNames {
		e.want = "one of " + string(bytes.Join(e.names, []byte(", ")))
	}
	return e.width, e, nil
}

// enumEntry cuts "'name' = 1" and the comma behind it off s.
func enumEntry(s string) (label string, code int64, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	label, s, ok := quoted(s)
	if !ok {
		return "", 0, "", fmt.Errorf("want a quoted name at %q", s)
	}
	number, rest, _ := strings.Cut(s, ",")
	number = strings.Trim(number, " =")
	if code, err = strconv.ParseInt(number, 10, 16); err != nil {
		return "", 0, "", fmt.Errorf("number of %q: %w", label, err)
	}
	return label, code, rest, nil
}

// quoted reads a text in single quotes as the server writes it.
func quoted(s string) (label, rest string, ok bool) {
	if !strings.HasPrefix(s, "'") {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case s[i] == '\'':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return "", s, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case '0':
		return 0
	}
	return c
}

// appendInt appends the low width bytes of a two's complement number.
func appendInt(dst []byte, width int, v uint64) []byte {
	switch width {
	case 1:
		return append(dst, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(dst, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(dst, v)
}

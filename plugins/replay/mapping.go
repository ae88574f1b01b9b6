package replay

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"unicode/utf8"
	"unsafe"

	"clickstream/internal/event"
)

// from is where a field of our event comes from.
type from struct {
	index  int    // among the mapping's names; -1: no column, always fallback
	name   string // of the column
	absent []byte // what stands for a missing or empty value; nil: the row is no event
}

// mapping makes events of rows. It belongs to one goroutine.
type mapping struct {
	names   []string // columns, or fields of JSON, that are read
	kind    from
	types   map[string]event.Type
	user    from
	product from
	price   from
	time    from
	clock   clock

	name []byte // scratch: what an id is made of
}

// mapped is what an event is, besides its bytes.
type mapped struct {
	event      event.Event // texts are the row's: not to be kept
	hundredths int64       // of a cent
}

// read makes an event of the row that rows stands at, its time the file's.
func (m *mapping) read(r rows) (e mapped, wrong fault) {
	if e.event.UserID, wrong = m.text(r, m.user); wrong.reason != "" {
		return e, wrong
	}
	if e.event.ProductID, wrong = m.text(r, m.product); wrong.reason != "" {
		return e, wrong
	}
	kind, wrong := m.pick(r, m.kind)
	if wrong.reason != "" {
		return e, wrong
	}
	if e.event.Type = m.types[string(kind)]; e.event.Type == 0 {
		return e, fault{badType, m.kind.name, "a type that the mapping names"}
	}
	price, wrong := m.pick(r, m.price)
	if wrong.reason != "" {
		return e, wrong
	}
	if e.event.Price, e.hundredths, wrong.reason = parsePrice(price); wrong.reason != "" {
		return e, fault{badPrice, m.price.name, "a number from 0 on, as 12.50"}
	}
	when, wrong := m.pick(r, m.time)
	if wrong.reason != "" {
		return e, wrong
	}
	var ok bool
	if e.event.UnixMilli, ok = m.clock.parse(when); !ok {
		return e, fault{badTime, m.time.name, "a time of one of the mapping's layouts"}
	}
	return e, fault{}
}

// text reads a field that may hold anything. What it returns is the row's memory: it is
// used up before the next row.
func (m *mapping) text(r rows, f from) (string, fault) {
	text, wrong := m.pick(r, f)
	if wrong.reason != "" {
		return "", wrong
	}
	if bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
		return "", fault{badText, f.name, "UTF-8 without NUL"}
	}
	return unsafe.String(unsafe.SliceData(text), len(text)), fault{}
}

// pick returns a field's text.
func (m *mapping) pick(r rows, f from) ([]byte, fault) {
	if f.index < 0 {
		return f.absent, fault{}
	}
	text := r.value(f.index)
	if len(text) > 0 {
		return text, fault{}
	}
	switch r.kind(f.index) {
	case event.True, event.False, event.Array, event.Object:
		return nil, fault{badText, f.name, "a text or a number"}
	}
	if f.absent == nil {
		return nil, fault{badEmpty, f.name, "a value"}
	}
	return f.absent, fault{}
}

// tag is what the ids of a file's rows begin with: a run's and a file's.
type tag [6]byte

// tagOf returns the tag of a file in a run.
func tagOf(run, file string) (t tag) {
	sum := sha1.Sum([]byte(run + "\x00" + file))
	copy(t[:], sum[:])
	return t
}

// idVersion is the version of our UUIDs.
const idVersion = 8

// rowID is the UUID, version 8 (RFC 9562), of a row: 48 bits that are the file's, and
// 74 bits of the SHA-1 of the row's number and bytes. The same row has the same id
// whenever, and however fast, it is sent.
func (m *mapping) rowID(t tag, number int64, raw []byte) (id [16]byte) {
	m.name = append(binary.BigEndian.AppendUint64(append(m.name[:0], t[:]...), uint64(number)), raw...)
	sum := sha1.Sum(m.name)
	copy(id[:], t[:])
	copy(id[len(t):], sum[:])
	id[6] = id[6]&0x0f | idVersion<<4
	id[8] = id[8]&0x3f | 0x80
	return id
}

// append appends the event's JSON.
func (e *mapped) append(dst []byte) []byte {
	dst = event.Append(dst, e.event)
	if e.hundredths == 0 {
		return dst
	}
	// event.Append knows cents; what a price has beyond them goes between them and the
	// rest, which has always the same length.
	const rest = len(`,"timestamp":"2006-01-02T15:04:05.000Z"}`)
	at := len(dst) - rest
	dst = append(dst, "00"...)
	copy(dst[at+2:], dst[at:at+rest])
	dst[at], dst[at+1] = byte('0'+e.hundredths/10), byte('0'+e.hundredths%10)
	return dst
}

// parsePrice reads a number as JSON has it, in cents and hundredths of a cent, what is
// beyond rounded half to even. A negative one is none; reason says so.
func parsePrice(s []byte) (cents, hundredths int64, reason string) {
	if !isNumber(s) {
		return 0, 0, badPrice
	}
	d, ok := event.ParseDecimal(s, 4)
	v, fits := d.Int64()
	if !ok || !fits || v < 0 {
		return 0, 0, badPrice
	}
	return v / 100, v % 100, ""
}

// isNumber reports whether s is an unsigned JSON number; leading zeros are fine.
func isNumber(s []byte) bool {
	digits := func() (n int) {
		for n < len(s) && s[n]-'0' <= 9 {
			n++
		}
		s = s[n:]
		return n
	}
	if digits() == 0 {
		return false
	}
	if len(s) > 0 && s[0] == '.' {
		if s = s[1:]; digits() == 0 {
			return false
		}
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		if s = s[1:]; len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return len(s) == 0
}

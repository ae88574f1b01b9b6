package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// fields are an event's values as ClickHouse takes them. Texts are parts of the
// document: copy what is kept.
type fields struct {
	id            [16]byte
	kind          byte // of the Enum8
	user, product []byte
	price         int64 // ten thousandths
	timestamp     int64 // milliseconds since 1970
}

// scanner reads events. It takes documents as our producers write them, field by
// field at a known place; any other goes through encoding/json.
type scanner struct {
	date  [10]byte // the last one, since most events are of one day
	start int64    // its first millisecond
}

func (s *scanner) scan(doc []byte, f *fields) bool {
	return s.known(doc, f) || s.any(doc, f)
}

// known reads a document of the usual form and tells whether it is one.
func (s *scanner) known(doc []byte, f *fields) bool {
	const id, kind, user, product, price, stamp = `{"event_id":"`, `","event_type":"`, `","user_id":"`, `","product_id":"`, `","price":`, `,"timestamp":"`
	if len(doc) < 150 || string(doc[:len(id)]) != id || !parseID(doc[len(id):len(id)+36], &f.id) {
		return false
	}
	doc = doc[len(id)+36:]
	if string(doc[:len(kind)]) != kind {
		return false
	}
	doc = doc[len(kind):]
	n := bytes.IndexByte(doc, '"')
	if n < 0 {
		return false
	}
	if f.kind = kindOf(doc[:n]); f.kind == 0 {
		return false
	}
	var ok bool
	if f.user, doc, ok = text(doc[n:], user); !ok {
		return false
	}
	if f.product, doc, ok = text(doc, product); !ok || len(doc) < len(price) || string(doc[:len(price)]) != price {
		return false
	}
	if f.price, doc, ok = decimal(doc[len(price):]); !ok {
		return false
	}
	if len(doc) != len(stamp)+24+2 || string(doc[:len(stamp)]) != stamp || string(doc[len(doc)-2:]) != `"}` {
		return false
	}
	f.timestamp, ok = s.millis(doc[len(stamp) : len(stamp)+24])
	return ok
}

// text reads a field's text without escapes, up to the quote that ends it.
func text(doc []byte, key string) (value, rest []byte, ok bool) {
	if len(doc) < len(key) || string(doc[:len(key)]) != key {
		return nil, nil, false
	}
	doc = doc[len(key):]
	for i, c := range doc {
		if c == '"' {
			return doc[:i], doc[i:], true
		}
		if c < ' ' || c == '\\' || c >= 0x80 {
			break
		}
	}
	return nil, nil, false
}

func kindOf(name []byte) byte {
	switch string(name) {
	case "page_view":
		return 1
	case "add_to_cart":
		return 2
	case "purchase":
		return 3
	case "remove_from_cart":
		return 4
	}
	return 0
}

// nibbles is the value of a hexadecimal digit, and 0xff for any other byte.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range "0123456789abcdef" {
		t[c] = byte(i)
		t[strings.ToUpper(string(c))[0]] = byte(i)
	}
	return t
}()

func parseID(text []byte, id *[16]byte) bool {
	_ = text[35]
	if text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return false
	}
	var bad byte
	for i, at := range [16]byte{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		high, low := nibbles[text[at]], nibbles[text[at+1]]
		bad |= high | low
		id[i] = high<<4 | low
	}
	return bad < 16
}

// decimal reads digits with at most four after the point; what follows must be a comma.
func decimal(doc []byte) (n int64, rest []byte, ok bool) {
	point := -1
	for i, c := range doc {
		switch {
		case c >= '0' && c <= '9' && i < 17:
			n = n*10 + int64(c-'0')
		case c == '.' && point < 0 && i > 0:
			point = i
		case c == ',' && i > 0:
			after := 0
			if point >= 0 {
				after = i - point - 1
			}
			if after > 4 || point >= 0 && after == 0 || doc[0] == '0' && i > 1 && point != 1 {
				return 0, nil, false
			}
			return n * [...]int64{10000, 1000, 100, 10, 1}[after], doc[i:], true
		default:
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// millis reads 2006-01-02T15:04:05.000Z.
func (s *scanner) millis(text []byte) (int64, bool) {
	if string(text[:10]) != string(s.date[:]) {
		day, err := time.Parse(time.DateOnly, string(text[:10]))
		if err != nil {
			return 0, false
		}
		copy(s.date[:], text)
		s.start = day.UnixMilli()
	}
	if text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != '.' || text[23] != 'Z' {
		return 0, false
	}
	var bad byte
	digit := func(i int) int64 {
		d := text[i] - '0'
		if d > 9 {
			bad = 1
		}
		return int64(d)
	}
	hour, minute, second := digit(11)*10+digit(12), digit(14)*10+digit(15), digit(17)*10+digit(18)
	milli := digit(20)*100 + digit(21)*10 + digit(22)
	if bad != 0 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return s.start + hour*3_600_000 + minute*60_000 + second*1000 + milli, true
}

// any reads any document that holds an event, at whatever cost.
func (s *scanner) any(doc []byte, f *fields) bool {
	var e struct {
		ID      string      `json:"event_id"`
		Kind    string      `json:"event_type"`
		User    string      `json:"user_id"`
		Product string      `json:"product_id"`
		Price   json.Number `json:"price"`
		Time    time.Time   `json:"timestamp"`
	}
	if json.Unmarshal(doc, &e) != nil {
		return false
	}
	id, err := uuid.Parse(e.ID)
	if err != nil {
		return false
	}
	price, err := strconv.ParseFloat(e.Price.String(), 64)
	if err != nil || price < 0 || price > 1e12 {
		return false
	}
	*f = fields{id: id, kind: kindOf([]byte(e.Kind)), user: []byte(e.User), product: []byte(e.Product), price: int64(price*1e4 + 0.5), timestamp: e.Time.UnixMilli()}
	return f.kind != 0
}

package replay

import (
	"clickstream/internal/event"
)

// fault is why a row is no event; the zero value is none. Its texts are constants and
// names of columns, never content: they are logged and counted.
type fault struct {
	reason string // a label of the counter: one of the constants below
	column string // in the file; empty when the row as a whole is at fault
	want   string
}

// The reasons, a closed list.
const (
	badRow   = "row"   // quotes, number of columns, JSON
	badEmpty = "empty" // a value that an event needs is not there
	badType  = "event_type"
	badTime  = "time"
	badPrice = "price"
	badText  = "text" // NUL or invalid UTF-8
)

// rows gives the rows of one file, one after the other.
type rows interface {
	// next returns the next row's bytes without the line end and what is wrong with it
	// as a whole. Both, and the values, last until the next call. io.EOF is the end.
	next() (raw []byte, wrong fault, err error)
	// value returns the i-th of the names that the mapping reads; nil is none.
	value(i int) []byte
	// kind is the JSON type of that value, String in a CSV file.
	kind(i int) event.Kind
	// offset is where the next row begins in the unpacked file.
	offset() int64
}

// table is rows of CSV under a header.
type table struct {
	csv     csvRows
	columns []int // of each name
	width   int   // of the header
}

func (t *table) next() ([]byte, fault, error) {
	raw, ok, err := t.csv.next()
	switch {
	case err != nil:
		return nil, fault{}, err
	case !ok:
		return raw, fault{badRow, "", "quotes that fit: a field with a quote in it stands in quotes, the quote doubled"}, nil
	case len(t.csv.fields) != t.width:
		return raw, fault{badRow, "", "as many columns as the header has"}, nil
	}
	return raw, fault{}, nil
}

func (t *table) value(i int) []byte  { return t.csv.fields[t.columns[i]] }
func (t *table) kind(int) event.Kind { return event.String }
func (t *table) offset() int64       { return t.csv.feed.offset }

// documents is rows of NDJSON: an object on each line.
type documents struct {
	feed    *feed
	scanner *event.Scanner
	raw     []byte
	texts   [][]byte // of each name, room for a text with its escapes resolved
}

func newDocuments(f *feed, names []string) *documents {
	return &documents{feed: f, scanner: event.NewScanner(names), texts: make([][]byte, len(names))}
}

func (d *documents) next() ([]byte, fault, error) {
	for {
		line, size, err := d.feed.line(0)
		if err != nil {
			return nil, fault{}, err
		}
		d.feed.take(size)
		if d.raw = trimCR(line); len(d.raw) == 0 {
			continue
		}
		if d.scanner.Scan(d.raw) != nil {
			return d.raw, fault{badRow, "", "one JSON object on a line, in UTF-8"}, nil
		}
		return d.raw, fault{}, nil
	}
}

func (d *documents) value(i int) []byte {
	v := d.scanner.Value(i)
	switch v.Kind {
	case event.String, event.Number:
		return d.raw[v.Start:v.End]
	case event.Escaped:
		d.texts[i] = event.AppendText(d.texts[i][:0], d.raw[v.Start:v.End])
		return d.texts[i]
	}
	return nil
}

func (d *documents) kind(i int) event.Kind { return d.scanner.Value(i).Kind }
func (d *documents) offset() int64         { return d.feed.offset }

package replay

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"clickstream/internal/corpus"
)

// readCSV returns all rows as our reader splits them, and whether all quotes fit.
func readCSV(r io.Reader, limit int) (rows [][]string, fits bool, err error) {
	f := newFeed(r, limit)
	f.buf = make([]byte, limit+100) // so that it is filled again and again
	f.skipBOM()
	c := csvRows{feed: f, delimiter: ','}
	for fits = true; ; {
		raw, ok, err := c.next()
		if errors.Is(err, io.EOF) {
			return rows, fits, nil
		}
		if err != nil {
			return rows, fits, err
		}
		if !ok {
			fits = false
			rows = append(rows, []string{string(raw)})
			continue
		}
		var row []string
		for _, field := range c.fields {
			row = append(row, string(field))
		}
		rows = append(rows, row)
	}
}

func TestCSV(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"plain":                  {"a,b\nc,d\n", "a|b/c|d"},
		"no last line end":       {"a,b\nc,", "a|b/c|"},
		"Windows":                {"a,b\r\nc,d\r\n\r\n", "a|b/c|d"},
		"byte order mark":        {"\xef\xbb\xbfa,b\n", "a|b"},
		"quotes":                 {`"a,1","b ""x"""` + "\n" + `"",c`, `a,1|b "x"/|c`},
		"a line end in quotes":   {"\"a\r\nb\",c\nd,e\n", "a\nb|c/d|e"},
		"a quote inside":         {"a\"b,c\nd,e\n", "a\"b,c!/d|e"},
		"behind a closing quote": {"\"a\"b,c\nd,e\n", "\"a\"b,c!/d|e"},
		"a quote never closed":   {"\"a,b\nc,d\ne,f\n", "\"a,b!/c|d/e|f"},
		"closed by another row":  {"\"a,b\nc,d\ne,\"f\"\n", "\"a,b!/c|d/e|f"},
		"NUL":                    {"a\x00,b\n", "a\x00|b"},
		"nothing":                {"", ""},
	} {
		var lines []string
		f := newFeed(iotest.OneByteReader(strings.NewReader(tc.text)), 1000)
		f.skipBOM()
		c := csvRows{feed: f, delimiter: ','}
		for {
			raw, ok, err := c.next()
			if err != nil {
				break
			}
			if line := string(bytes.Join(c.fields, []byte("|"))); ok {
				lines = append(lines, line)
			} else {
				lines = append(lines, string(raw)+"!")
			}
		}
		if got := strings.Join(lines, "/"); got != tc.want {
			t.Errorf("%s\n got %q\nwant %q", name, got, tc.want)
		}
	}
}

// TestLongRow: a row above the limit ends the reading, and so does a line of quotes.
func TestLongRow(t *testing.T) {
	text := "a,b\n" + strings.Repeat("x", 5000) + "\nc,d\n"
	if rows, _, err := readCSV(strings.NewReader(text), 4096); !errors.Is(err, errLong) || len(rows) != 1 {
		t.Errorf("got %d rows and error %v, want 1 and %v", len(rows), err, errLong)
	}
}

// FuzzCSV: what encoding/csv reads, we read; and where we find all quotes in order, it
// finds the same. However the bytes come, the result is the same, and no byte is lost.
func FuzzCSV(f *testing.F) {
	corpus.Add(f)
	for _, seed := range []string{"a,b\n1,2\n", "\"a\"\"\",\"\r\n\"\r\n", "\"", "a\"\n", "\r\n\r", ",\n,,\n", "\xef\xbb\xbf\"x\"\n", "\"a\nb\",c\n\"d", "a\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, fits, err := readCSV(bytes.NewReader(text), len(text)+1)
		if err != nil {
			t.Fatal(err)
		}
		slow, slowFits, err := readCSV(iotest.OneByteReader(bytes.NewReader(text)), len(text)+1)
		if err != nil || slowFits != fits || fmt.Sprint(slow) != fmt.Sprint(got) {
			t.Fatalf("byte by byte: got %q, %v, want %q", slow, err, got)
		}
		r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, bom)))
		r.FieldsPerRecord = -1
		want, err := r.ReadAll()
		if fits != (err == nil) {
			t.Fatalf("quotes fit: got %t, encoding/csv says %v", fits, err)
		}
		if fits && !slices.EqualFunc(got, want, slices.Equal[[]string]) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

package replay

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// csvRows splits CSV as RFC 4180 has it: fields in quotes may hold delimiters, line
// ends and doubled quotes. It is encoding/csv without a string for every field, which
// is what a row costs there, and it mends what that gives up at: a row whose quotes do
// not fit is one bad row, the line that it began on, and the next line is read afresh.
// So a quote that is never closed costs one row and not the rest of the file.
type csvRows struct {
	feed      *feed
	delimiter byte
	fields    [][]byte
	scratch   []byte // of fields with doubled quotes
}

// next returns the raw bytes of the next row, its line end excluded, and whether its
// quotes fit; fields then holds its fields. Blank lines are no rows.
func (c *csvRows) next() (raw []byte, ok bool, err error) {
	for {
		line, size, err := c.feed.line(0)
		if err != nil {
			return nil, false, err
		}
		if line = trimCR(line); len(line) == 0 {
			c.feed.take(size)
			continue
		}
		if bytes.IndexByte(line, '"') < 0 {
			c.split(line)
			c.feed.take(size)
			return line, true, nil
		}
		size, length, ok, err := c.quoted(size)
		if err != nil {
			return nil, false, err
		}
		raw = c.feed.buf[c.feed.start : c.feed.start+length]
		c.feed.take(size)
		return raw, ok, nil
	}
}

// split cuts a line without quotes.
func (c *csvRows) split(line []byte) {
	c.fields = c.fields[:0]
	for {
		i := bytes.IndexByte(line, c.delimiter)
		if i < 0 {
			c.fields = append(c.fields, line)
			return
		}
		c.fields = append(c.fields, line[:i])
		line = line[i+1:]
	}
}

// quoted parses a row that holds quotes; first is the size of its first line with the
// line end. It returns how many bytes to take and how many of them are the row's. A row
// ends with the first line at which the quotes so far are even in number.
func (c *csvRows) quoted(first int) (take, length int, ok bool, err error) {
	size := first
	for quotes := c.quotes(0, first); quotes%2 == 1; {
		_, next, err := c.feed.line(size)
		if err != nil && err != io.EOF && !errors.Is(err, errLong) { //nolint:errorlint // feed returns io.EOF itself
			return 0, 0, false, err
		}
		if err != nil || next > c.feed.limit {
			return first, c.length(first), false, nil
		}
		quotes += c.quotes(size, next)
		size = next
	}
	if c.parse(c.feed.buf[c.feed.start : c.feed.start+size]) {
		return size, c.length(size), true, nil
	}
	return first, c.length(first), false, nil
}

// quotes counts the quotes between two places behind what is taken.
func (c *csvRows) quotes(from, to int) int {
	return bytes.Count(c.feed.buf[c.feed.start+from:c.feed.start+to], []byte{'"'})
}

// length is that of the first size bytes without their line end.
func (c *csvRows) length(size int) int {
	return len(trimLine(c.feed.buf[c.feed.start : c.feed.start+size]))
}

func trimLine(row []byte) []byte { return trimCR(bytes.TrimSuffix(row, []byte{'\n'})) }

// parse cuts a row with quotes into fields; false says that they do not fit.
func (c *csvRows) parse(row []byte) bool {
	row = trimLine(row)
	c.fields, c.scratch = c.fields[:0], slices.Grow(c.scratch[:0], len(row)) // grows no more: fields stay where they are
	for {
		rest, last := []byte(nil), false
		if len(row) > 0 && row[0] == '"' {
			var closed bool
			if rest, closed = c.field(row[1:]); !closed {
				return false
			}
			if last = len(rest) == 0; !last && rest[0] != c.delimiter {
				return false
			}
		} else {
			i := bytes.IndexByte(row, c.delimiter)
			if last = i < 0; last {
				i = len(row)
			}
			if bytes.IndexByte(row[:i], '"') >= 0 {
				return false
			}
			c.fields, rest = append(c.fields, row[:i]), row[i:]
		}
		if last {
			return true
		}
		row = rest[1:]
	}
}

// field reads a field behind its opening quote and returns what follows the closing
// one.
func (c *csvRows) field(row []byte) (rest []byte, closed bool) {
	from := len(c.scratch)
	for {
		i := bytes.IndexByte(row, '"')
		if i < 0 {
			return nil, false
		}
		c.text(row[:i])
		row = row[i+1:]
		if len(row) == 0 || row[0] != '"' {
			c.fields = append(c.fields, c.scratch[from:len(c.scratch):len(c.scratch)])
			return row, true
		}
		c.scratch = append(c.scratch, '"')
		row = row[1:]
	}
}

// text appends a part of a field; line ends become \n.
func (c *csvRows) text(part []byte) {
	for {
		i := bytes.Index(part, []byte("\r\n"))
		if i < 0 {
			c.scratch = append(c.scratch, part...)
			return
		}
		c.scratch = append(c.scratch, part[:i]...)
		part = part[i+1:]
	}
}

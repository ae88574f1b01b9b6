package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// chunk is how much is read at once: large enough that a system call costs nothing
// per row, small enough for the cache.
const chunk = 256 << 10

// feed gives the unpacked bytes of a file line by line, without a copy. What it
// returns is valid until its next call.
type feed struct {
	r          io.Reader
	buf        []byte
	start, end int   // what is in buf and not yet taken
	offset     int64 // of buf[start] in the unpacked file
	limit      int   // bytes of the longest row
	err        error // why there is no more; io.EOF at a proper end
}

// errLong is a line without an end within the limit.
var errLong = errors.New("longer than max_row_bytes")

func newFeed(r io.Reader, limit int) *feed {
	return &feed{r: r, limit: limit, buf: make([]byte, chunk+limit)}
}

// more reads on behind what is there, which moves to the front of the buffer. It
// returns false when nothing came: at the end, or when the buffer is full.
func (f *feed) more() bool {
	if f.err != nil {
		return false
	}
	if f.start > 0 {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	if f.end == len(f.buf) {
		return false
	}
	for range 100 {
		n, err := f.r.Read(f.buf[f.end:])
		f.end += n
		if f.err = err; n > 0 || err != nil {
			return n > 0
		}
	}
	f.err = io.ErrNoProgress
	return false
}

// line returns the bytes from `from` (counted from the first not yet taken) to the
// end of that line, and where the next one begins. Neither takes anything.
func (f *feed) line(from int) (line []byte, next int, err error) {
	seen := from
	for {
		rest := f.buf[f.start+seen : f.end]
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			if seen+i > f.limit {
				return nil, 0, errLong
			}
			return f.buf[f.start+from : f.start+seen+i], seen + i + 1, nil
		}
		if seen = f.end - f.start; seen > f.limit {
			return nil, 0, errLong
		}
		if f.more() {
			continue
		}
		if f.err != io.EOF { //nolint:errorlint // ours: a reader's own end
			return nil, 0, f.err
		}
		if from == seen {
			return nil, 0, io.EOF
		}
		return f.buf[f.start+from : f.end], seen, nil
	}
}

// take moves on by n bytes.
func (f *feed) take(n int) {
	f.start += n
	f.offset += int64(n)
}

// skipBOM takes the byte order mark that some programs put before UTF-8.
func (f *feed) skipBOM() {
	for f.end-f.start < len(bom) && f.more() {
	}
	if bytes.HasPrefix(f.buf[f.start:f.end], bom) {
		f.take(len(bom))
	}
}

var bom = []byte("\xef\xbb\xbf")

// skipTo goes on to an offset of the unpacked file, which a marker remembers.
func (f *feed) skipTo(offset int64) error {
	if s, ok := f.r.(io.Seeker); ok {
		if _, err := s.Seek(offset, io.SeekStart); err != nil {
			return err
		}
		f.start, f.end, f.offset, f.err = 0, 0, offset, nil
		return nil
	}
	for f.offset < offset {
		if f.start == f.end && !f.more() {
			return fmt.Errorf("the marker is at byte %d: %w", offset, f.err)
		}
		f.take(int(min(int64(f.end-f.start), offset-f.offset)))
	}
	return nil
}

// trimCR cuts the carriage return of a line that ends as on Windows.
func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

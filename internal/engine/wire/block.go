package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Column is a name and a type as the server spells it.
type Column struct{ Name, Type string }

// Limits of one block: what ClickHouse itself would never send, and what would
// overflow the arithmetic here.
const (
	maxColumns = 100_000
	maxRows    = 1 << 31
)

// Header is what a block holds.
type Header struct {
	Columns []Column
	Rows    int
}

// Info skips the BlockInfo that precedes a block in a Data packet.
func Info(r *bufio.Reader) error {
	for {
		field, err := Uvarint(r)
		if err != nil {
			return short(err)
		}
		size := 0
		switch field {
		case 0:
			return nil
		case 1: // is_overflows
			size = 1
		case 2: // bucket_num
			size = 4
		default:
			return fmt.Errorf("%w: block info field %d", ErrMalformed, field)
		}
		if _, err := r.Discard(size); err != nil {
			return short(err)
		}
	}
}

// Copy moves one block in the Native format from src to dst, byte for byte, and
// says what was in it. A block without rows, such as the one that ends an insert's
// data, leaves dst alone: the engine might take it for the end. It fails with ErrUnsupported on a column type of which it
// does not know the layout; src then stands somewhere inside the block.
func Copy(dst io.Writer, src *bufio.Reader) (Header, error) {
	c := &copier{src: src, dst: io.Discard}
	columns, rows := c.uvarint(), c.uvarint()
	if c.err == nil && (columns > maxColumns || rows > maxRows) {
		c.fail(fmt.Errorf("%w: block of %d columns and %d rows", ErrMalformed, columns, rows))
	}
	h := Header{Rows: int(rows)}
	if rows > 0 {
		c.dst = dst
		c.write(binary.AppendUvarint(binary.AppendUvarint(nil, columns), rows))
	}
	for i := uint64(0); i < columns && c.err == nil; i++ {
		column := Column{Name: c.string(), Type: c.string()}
		h.Columns = append(h.Columns, column)
		if rows > 0 && c.err == nil {
			c.column(column, int(rows))
		}
	}
	return h, c.err
}

// AppendHeader appends a block of the given columns without rows.
func AppendHeader(b []byte, columns []Column) []byte {
	b = binary.AppendUvarint(b, uint64(len(columns)))
	b = binary.AppendUvarint(b, 0)
	for _, c := range columns {
		b = AppendString(b, c.Name)
		b = AppendString(b, c.Type)
	}
	return b
}

// AppendString appends a length and the bytes of s.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// copier passes bytes on and keeps the first error; after it every call does
// nothing and every number is zero.
type copier struct {
	src *bufio.Reader
	dst io.Writer
	err error
}

func (c *copier) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *copier) column(column Column, rows int) {
	l, err := parseType(column.Type)
	if err != nil {
		c.fail(fmt.Errorf("column %q: %w", column.Name, err))
		return
	}
	l.prefix(c)
	l.data(c, rows)
}

// bytes copies n bytes.
func (c *copier) bytes(n int) {
	for n > 0 && c.err == nil {
		if _, err := c.src.Peek(1); err != nil {
			c.fail(short(err))
			return
		}
		piece, _ := c.src.Peek(min(n, c.src.Buffered())) // cannot fail: it is buffered
		n -= len(piece)
		c.pass(piece)
	}
}

// pass writes a piece that was peeked and takes it from src.
func (c *copier) pass(piece []byte) {
	if _, err := c.dst.Write(piece); err != nil {
		c.fail(err)
		return
	}
	_, _ = c.src.Discard(len(piece)) // cannot fail: it is buffered
}

// write adds bytes that were taken from src already.
func (c *copier) write(b []byte) {
	if c.err == nil {
		if _, err := c.dst.Write(b); err != nil {
			c.fail(err)
		}
	}
}

// times copies n values of size bytes each.
func (c *copier) times(n, size int) {
	const most = 1 << 46 // 64 TiB: no block is that large, and n*size cannot overflow below it
	if size > 0 && n > most/size {
		c.fail(fmt.Errorf("%w: %d values of %d bytes", ErrMalformed, n, size))
		return
	}
	c.bytes(n * size)
}

// strings copies n strings. Those that lie in the buffer as a whole pass in one
// write.
func (c *copier) strings(n int) {
	for n > 0 && c.err == nil {
		buffered, _ := c.src.Peek(c.src.Buffered())
		whole := 0
		for n > 0 {
			size, head := binary.Uvarint(buffered[whole:])
			if head <= 0 || size > uint64(len(buffered)-whole-head) {
				break
			}
			whole += head + int(size)
			n--
		}
		if whole > 0 {
			c.pass(buffered[:whole])
			continue
		}
		if n > 0 { // longer than what is buffered
			size := c.uvarint()
			if size > 1<<40 {
				c.fail(fmt.Errorf("%w: string of %d bytes", ErrMalformed, size))
			}
			c.bytes(int(size))
			n--
		}
	}
}

// uvarint copies and returns a variable length integer.
func (c *copier) uvarint() uint64 {
	if c.err != nil {
		return 0
	}
	n, err := Uvarint(c.src)
	if err != nil {
		c.fail(short(err))
		return 0
	}
	c.write(binary.AppendUvarint(nil, n))
	return n
}

// uint64 copies and returns a little endian number.
func (c *copier) uint64() uint64 {
	if c.err != nil {
		return 0
	}
	b, err := c.src.Peek(8)
	if err != nil {
		c.fail(short(err))
		return 0
	}
	n := binary.LittleEndian.Uint64(b)
	c.pass(b)
	return n
}

// string copies and returns a name.
func (c *copier) string() string {
	if c.err != nil {
		return ""
	}
	s, err := String(c.src, MaxString)
	if err != nil {
		c.fail(short(err))
		return ""
	}
	c.write(AppendString(nil, s))
	return s
}

package wire

import (
	"encoding/binary"
	"fmt"
)

// layout is how the values of a type lie in a block: a prefix that stands before
// all data of the column, even when the type is nested deep in it, then the data.
type layout interface {
	prefix(c *copier)
	data(c *copier, rows int)
}

// plain is embedded by layouts without a prefix.
type plain struct{}

func (plain) prefix(*copier) {}

// fixed is a type whose values have a fixed size in bytes.
type fixed struct {
	plain
	size int
}

func (l fixed) data(c *copier, rows int) { c.times(rows, l.size) }

// text is String: a length and bytes for each value.
type text struct{ plain }

func (text) data(c *copier, rows int) { c.strings(rows) }

// document is JSON as clients send it: a version, then one string a row. Its
// columnar versions are the engine's own affair.
type document struct{}

const stringVersion = 1 // of the serialisation of JSON

func (document) prefix(c *copier) {
	if version := c.uint64(); c.err == nil && version != stringVersion {
		c.fail(fmt.Errorf("%w: JSON in serialisation %d, want %d (send it as text)", ErrUnsupported, version, stringVersion))
	}
}

func (document) data(c *copier, rows int) { c.strings(rows) }

// nullable is a byte for each value, then the values.
type nullable struct{ of layout }

func (l nullable) prefix(c *copier) { l.of.prefix(c) }

func (l nullable) data(c *copier, rows int) {
	c.bytes(rows)
	l.of.data(c, rows)
}

// array is the end of each row as a UInt64, then the elements of all rows.
type array struct{ of layout }

func (l array) prefix(c *copier) { l.of.prefix(c) }

func (l array) data(c *copier, rows int) {
	last := uint64(0)
	for left := rows; left > 0 && c.err == nil; {
		buffered, err := c.src.Peek(min(left, 512) * 8)
		if err != nil {
			c.fail(short(err))
			return
		}
		for i := 0; i < len(buffered); i += 8 {
			end := binary.LittleEndian.Uint64(buffered[i:])
			if end < last || end > 1<<40 {
				c.fail(fmt.Errorf("%w: array ends at %d after %d", ErrMalformed, end, last))
				return
			}
			last = end
		}
		left -= len(buffered) / 8
		c.pass(buffered)
	}
	if last > 0 {
		l.of.data(c, int(last))
	}
}

// tuple is one column after the other.
type tuple []layout

func (l tuple) prefix(c *copier) {
	for _, of := range l {
		of.prefix(c)
	}
}

func (l tuple) data(c *copier, rows int) {
	for _, of := range l {
		of.data(c, rows)
	}
}

// lowCardinality is a dictionary and an index of 1, 2, 4 or 8 bytes a row.
type lowCardinality struct{ keys layout }

const (
	sharedDictionary = 1      // version of the serialisation, the only one
	additionalKeys   = 1 << 9 // flag: the dictionary comes with the block, as it always does on the wire
	globalDictionary = 1 << 8
)

func (l lowCardinality) prefix(c *copier) {
	if version := c.uint64(); c.err == nil && version != sharedDictionary {
		c.fail(fmt.Errorf("%w: LowCardinality in serialisation %d, want %d", ErrUnsupported, version, sharedDictionary))
	}
}

func (l lowCardinality) data(c *copier, rows int) {
	if rows == 0 {
		return
	}
	flags := c.uint64()
	if c.err == nil && (flags&0xff > 3 || flags&additionalKeys == 0 || flags&globalDictionary != 0) {
		c.fail(fmt.Errorf("%w: LowCardinality flags %#x", ErrMalformed, flags))
	}
	keys := c.uint64()
	if keys > maxRows {
		c.fail(fmt.Errorf("%w: LowCardinality of %d keys", ErrMalformed, keys))
	}
	if c.err == nil {
		l.keys.data(c, int(keys))
	}
	if indexes := c.uint64(); c.err == nil && indexes != uint64(rows) {
		c.fail(fmt.Errorf("%w: LowCardinality of %d rows in a block of %d", ErrMalformed, indexes, rows))
	}
	c.times(rows, 1<<(flags&0xff))
}

// variant is a discriminator byte for each row, then the values of each type.
type variant []layout

const nullVariant = 255

func (l variant) prefix(c *copier) {
	if mode := c.uint64(); c.err == nil && mode != 0 {
		c.fail(fmt.Errorf("%w: Variant in mode %d, want 0", ErrUnsupported, mode))
	}
	tuple(l).prefix(c)
}

func (l variant) data(c *copier, rows int) {
	counts := make([]int, len(l))
	for left := rows; left > 0 && c.err == nil; {
		piece, err := c.src.Peek(min(left, 4096))
		if err != nil {
			c.fail(short(err))
			return
		}
		for _, kind := range piece {
			switch {
			case kind == nullVariant:
			case int(kind) >= len(l):
				c.fail(fmt.Errorf("%w: Variant type %d of %d", ErrMalformed, kind, len(l)))
				return
			default:
				counts[kind]++
			}
		}
		left -= len(piece)
		c.pass(piece)
	}
	for i, of := range l {
		of.data(c, counts[i])
	}
}

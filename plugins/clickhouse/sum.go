package clickhouse

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Sum is the checksum of a record's row, of its offset and of every column that a JSON
// field fills, as SumSQL has it; false if the record cannot be a row.
func (j *Judge) Sum(offset int64, value []byte) (sum uint64, ok bool) {
	defer j.block.reset()
	if j.block.append([]row{{doc: value, at: j.at}}) != nil {
		return 0, false
	}
	j.number = binary.LittleEndian.AppendUint64(j.number[:0], uint64(offset))
	sum = xxhash.Sum64(j.number)
	for i := range j.block.columns {
		if c := &j.block.columns[i]; c.from == fromField {
			sum = combine(sum, xxhash.Sum64(c.value()))
		}
	}
	return sum, true
}

// SumSQL is the expression for the same of a row of the table.
func (j *Judge) SumSQL() string {
	parts := []string{"_offset"}
	for i := range j.block.plan.bindings {
		if b := &j.block.plan.bindings[i]; b.from == fromField {
			parts = append(parts, b.sumSQL())
		}
	}
	return "xxHash64(" + strings.Join(parts, ", ") + ")"
}

// sumSQL is what of a column goes into the checksum: its bytes as they are, or a text
// without the zeros at its end where it may be NULL or is filled up with zeros.
func (b *binding) sumSQL() string {
	v := quote(b.column)
	switch {
	case b.nullable && b.width > 0 && !b.fixedText():
		return "ifNull(reinterpretAsString(" + v + "), '')"
	case b.nullable:
		return "ifNull(toString(" + v + "), '')"
	case b.fixedText() || b.width == 0:
		return "toString(" + v + ")"
	}
	return v
}

func (b *binding) fixedText() bool { return strings.HasPrefix(b.base, "FixedString") }

// value is what sumSQL says of the block's only row.
func (c *column) value() []byte {
	if c.width == 0 {
		text, _ := c.text(0, 1)
		return text
	}
	if c.nullable || c.fixedText() {
		return bytes.TrimRight(c.data[:c.width], "\x00")
	}
	return c.data[:c.width]
}

// combine is how ClickHouse's xxHash64 goes on from argument to argument: CityHash's
// Hash128to64.
func combine(sum, next uint64) uint64 {
	const mul = 0x9ddfea08eb382d69
	a := (sum ^ next) * mul
	a ^= a >> 47
	b := (next ^ a) * mul
	b ^= b >> 47
	return b * mul
}

package clickhouse

import (
	"bytes"
	"fmt"
	"strconv"
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
	text := strconv.AppendInt(j.text[:0], offset, 10)
	for i := range j.block.columns {
		if c := &j.block.columns[i]; c.from == fromField {
			v := c.value(0)
			text = append(strconv.AppendInt(append(text, '/'), int64(len(v)), 10), ':')
			text = append(text, v...)
		}
	}
	j.text = text
	return xxhash.Sum64(text), true
}

// SumSQL is the expression for the same of a row of the table.
func (j *Judge) SumSQL() string {
	parts := []string{"toString(_offset)"}
	for _, b := range j.block.plan.bindings {
		if b.from != fromField {
			continue
		}
		v := "reinterpretAsString(" + quote(b.column) + ")" // its bytes, without the zeros at their end
		if b.width == 0 || strings.HasPrefix(b.base, "FixedString") {
			v = "toString(" + quote(b.column) + ")"
		}
		if b.nullable {
			v = "ifNull(" + v + ", '')"
		}
		parts = append(parts, fmt.Sprintf("'/', toString(length(%s)), ':', %[1]s", v))
	}
	return "xxHash64(concat(" + strings.Join(parts, ", ") + "))"
}

// value is what a row has in wire form: numbers without the zeros at their end.
func (c *column) value(row int) []byte {
	if c.width > 0 {
		return bytes.TrimRight(c.data[row*c.width:(row+1)*c.width], "\x00")
	}
	text, _ := c.text(row, row+1)
	return text
}

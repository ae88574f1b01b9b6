package clickhouse

import (
	"strconv"

	"clickstream/internal/event"
)

// column gathers the values of one column in wire form, so that a row is taken
// back by cutting bytes and an insert copies whole columns.
type column struct {
	binding
	data  []byte
	ends  []uint32 // of a String column: where each row's bytes end in data
	nulls []byte   // of a Nullable column: 1 for each row that is NULL
	mark  int      // len(data) before the last row
}

// row is one message on its way into a block.
type row struct {
	doc    []byte
	at     *event.Coordinate // nil: not from Kafka
	letter event.Rejection   // why another output refused it
}

// appendField adds the value of a JSON field.
func (c *column) appendField(v event.Value, doc, scratch []byte) *event.Rejection {
	c.mark = len(c.data)
	switch v.Kind {
	case event.Absent, event.Null:
		if c.nullable {
			c.appendNull()
			return nil
		}
		return &event.Rejection{Reason: event.ReasonMissing, Field: c.field, Message: "want a value of type " + c.name + ", got " + v.Kind.String()}
	}
	in := cell{kind: v.Kind, text: doc[v.Start:v.End]}
	if v.Kind == event.Escaped {
		in = cell{kind: event.String, text: event.AppendText(scratch[:0], in.text)}
	}
	var rejection *event.Rejection
	if c.data, rejection = c.convert.append(c.data, in); rejection != nil {
		rejection.Field = c.field
		return rejection
	}
	c.seal()
	return nil
}

// appendSource adds what the record itself says.
func (c *column) appendSource(r *row) *event.Rejection {
	c.mark = len(c.data)
	if r.at == nil && c.from >= fromKey {
		return c.wantKafka()
	}
	switch c.from {
	case fromReason:
		c.data = append(c.data, r.letter.Reason...)
	case fromRejectedField:
		c.data = append(c.data, r.letter.Field...)
	case fromMessage:
		c.data = append(c.data, r.letter.Message...)
	case fromValue:
		c.data = append(c.data, r.doc...)
	case fromKey:
		c.data = append(c.data, r.at.Key...)
	case fromTopic:
		c.data = append(c.data, r.at.Topic...)
	case fromTime:
		c.data = c.convert.(moments).appendMoment(c.data, instant(r.at))
	case fromOffset:
		c.data = appendInt(c.data, 8, uint64(r.at.Offset))
	default:
		panic("clickhouse: no such source: " + strconv.Itoa(int(c.from)))
	}
	c.seal()
	return nil
}

func (c *column) wantKafka() *event.Rejection {
	return &event.Rejection{Reason: event.ReasonMissing, Field: c.field, Message: "want a Kafka record, got a message of another input"}
}

// shared reports whether all records of an assignment have the same value.
func (c *column) shared() bool {
	return c.from == fromStream || c.from == fromPartition || c.from == fromOwner
}

// repeat adds n rows of a shared column.
func (c *column) repeat(source *event.Source, n int) {
	begin := len(c.data)
	switch c.from {
	case fromStream:
		c.data = appendInt(c.data, c.width, source.Stream)
	case fromPartition:
		c.data = appendInt(c.data, c.width, uint64(source.Partition))
	case fromOwner:
		c.data = appendInt(c.data, c.width, 0) // the owner is filled in when the row is sent
	}
	for end := begin + n*c.width; len(c.data) < end; {
		done := c.data[begin:]
		c.data = append(c.data, done[:min(len(done), end-len(c.data))]...)
	}
	if c.nullable {
		c.nulls = append(c.nulls, make([]byte, n)...)
	}
}

// appendNull adds a NULL; the bytes of its value are zero and do not count.
func (c *column) appendNull() {
	c.data = append(c.data, make([]byte, c.width)...)
	c.seal()
	c.nulls[len(c.nulls)-1] = 1
}

// seal ends a row whose bytes are in data.
func (c *column) seal() {
	if c.width == 0 {
		c.ends = append(c.ends, uint32(len(c.data)))
	}
	if c.nullable {
		c.nulls = append(c.nulls, 0)
	}
}

// undo takes back the last row; it must have been sealed.
func (c *column) undo() {
	c.data = c.data[:c.mark]
	if c.width == 0 {
		c.ends = c.ends[:len(c.ends)-1]
	}
	if c.nullable {
		c.nulls = c.nulls[:len(c.nulls)-1]
	}
}

// pick adds the given rows of another column of the same type.
func (c *column) pick(from *column, rows []int) {
	for _, row := range rows {
		if c.width > 0 {
			c.data = append(c.data, from.data[row*c.width:(row+1)*c.width]...)
		} else {
			data, _ := from.text(row, row+1)
			c.data = append(c.data, data...)
			c.ends = append(c.ends, uint32(len(c.data)))
		}
		if c.nullable {
			c.nulls = append(c.nulls, from.nulls[row])
		}
	}
}

func (c *column) reset() {
	c.data, c.ends, c.nulls = c.data[:0], c.ends[:0], c.nulls[:0]
}

// text returns the bytes of rows lo to hi of a String column and where they begin.
func (c *column) text(lo, hi int) (data []byte, start uint32) {
	if lo > 0 {
		start = c.ends[lo-1]
	}
	if hi > lo {
		data = c.data[start:c.ends[hi-1]]
	}
	return data, start
}

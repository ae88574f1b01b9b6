package clickhouse

import (
	"strconv"

	"clickstream/internal/event"
)

// column gathers the values of one column in wire form, so that rows are taken
// back by cutting bytes and an insert copies whole columns.
type column struct {
	binding
	data    []byte
	ends    []uint32 // of a String column: where each row's bytes end in data
	nulls   []byte   // of a Nullable column: 1 for each row that is NULL
	zero    []byte   // what stands for NULL in data
	scratch []byte   // a text without its escapes
}

// row is one message on its way into a block.
type row struct {
	doc    []byte
	at     event.Coordinate // without a source: it is not from Kafka
	letter event.Rejection  // why another output refused it
}

// appendFields adds the column's field of each row's document; values has so many of a
// document, one document after the other. After a rejection the caller truncates.
func (c *column) appendFields(rows []row, values []event.Value, ofEach int) *event.Rejection {
	data, ends := c.data, c.ends
	for i := range rows {
		v := values[i*ofEach+c.slot]
		in := cell{kind: v.Kind, text: rows[i].doc[v.Start:v.End]}
		null := v.Kind == event.Absent || v.Kind == event.Null
		switch {
		case null && !c.nullable:
			return &event.Rejection{Reason: event.ReasonMissing, Field: c.field, Message: "want a value of type " + c.name + ", got " + v.Kind.String()}
		case null:
			data = append(data, c.zero...) // which does not count
		default:
			if v.Kind == event.Escaped {
				c.scratch = event.AppendText(c.scratch[:0], in.text)
				in = cell{kind: event.String, text: c.scratch}
			}
			var why *event.Rejection
			if data, why = c.convert.append(data, in); why != nil {
				why.Field = c.field
				return why
			}
		}
		if c.width == 0 {
			ends = append(ends, uint32(len(data)))
		}
		if c.nullable {
			c.appendNull(null)
		}
	}
	c.data, c.ends = data, ends
	return nil
}

func (c *column) appendNull(null bool) {
	if null {
		c.nulls = append(c.nulls, 1)
	} else {
		c.nulls = append(c.nulls, 0)
	}
}

// appendSources adds what each record itself says.
func (c *column) appendSources(rows []row) *event.Rejection {
	for i := range rows {
		if rows[i].at.Source == nil && c.from >= fromKey {
			return c.wantKafka()
		}
		c.data = c.appendSource(c.data, &rows[i])
		if c.width == 0 {
			c.ends = append(c.ends, uint32(len(c.data)))
		}
		if c.nullable {
			c.appendNull(false)
		}
	}
	return nil
}

func (c *column) appendSource(dst []byte, r *row) []byte {
	switch c.from {
	case fromReason:
		return append(dst, r.letter.Reason...)
	case fromRejectedField:
		return append(dst, r.letter.Field...)
	case fromMessage:
		return append(dst, r.letter.Message...)
	case fromValue:
		return append(dst, r.doc...)
	case fromKey:
		return append(dst, r.at.Key...)
	case fromTopic:
		return append(dst, r.at.Topic...)
	case fromTime:
		return c.convert.(moments).appendMoment(dst, instant(&r.at))
	case fromOffset:
		return appendInt(dst, 8, uint64(r.at.Offset))
	}
	panic("clickhouse: no such source: " + strconv.Itoa(int(c.from)))
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

// truncate leaves the first rows.
func (c *column) truncate(rows int) {
	size := rows * c.width
	if c.width == 0 {
		c.ends = c.ends[:rows]
		if rows > 0 {
			size = int(c.ends[rows-1])
		}
	}
	c.data = c.data[:size]
	if c.nullable {
		c.nulls = c.nulls[:rows]
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

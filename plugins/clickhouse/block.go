package clickhouse

import "clickstream/internal/event"

// block is rows on their way to the server, held by column. It is not safe for
// concurrent use. Its buffers are kept by reset: in a steady state a row costs no
// allocation.
type block struct {
	plan    *plan
	columns []column
	scanner *event.Scanner
	scratch []byte
	rows    int
	bytes   int // of all columns, in wire form
	extra   int // fields that no column takes
}

func newBlock(p *plan) *block {
	b := &block{plan: p, columns: make([]column, len(p.bindings)), scanner: event.NewScanner(p.fields), scratch: make([]byte, 0, 1024)}
	for i := range b.columns {
		b.columns[i].binding = p.bindings[i]
	}
	return b
}

// append adds one row, or says why it cannot and leaves nothing of it behind. The
// rejection never holds what the message holds.
func (b *block) append(r *row) *event.Rejection {
	if len(b.plan.fields) > 0 {
		if err := b.scanner.Scan(r.doc); err != nil {
			return &event.Rejection{Reason: event.ReasonJSON, Message: err.Error()}
		}
	}
	size := 0
	for i := range b.columns {
		c := &b.columns[i]
		var rejection *event.Rejection
		if c.from == fromField {
			v := b.scanner.Value(c.slot)
			if v.Kind == event.Escaped && v.End-v.Start > cap(b.scratch) {
				b.scratch = make([]byte, 0, 2*(v.End-v.Start))
			}
			rejection = c.appendField(v, r.doc, b.scratch)
		} else {
			rejection = c.appendSource(r)
		}
		if rejection != nil {
			c.data = c.data[:c.mark]
			for k := range b.columns[:i] {
				b.columns[k].undo()
			}
			return rejection
		}
		size += len(c.data) - c.mark
	}
	b.rows++
	b.bytes += size
	b.extra += b.scanner.Extra()
	return nil
}

func (b *block) reset() {
	for i := range b.columns {
		b.columns[i].reset()
	}
	b.rows, b.bytes, b.extra = 0, 0, 0
}

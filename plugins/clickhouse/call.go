package clickhouse

import (
	"slices"

	"clickstream/internal/event"
)

// call is one call of write: a batch on its way into blocks.
type call struct {
	batch    documents
	todo     []rowRange // messages that are in no block
	parts    []part     // what is in blocks, while their outcome is awaited
	rejected rejections
	rows     []row     // on their way into a block
	suspects *suspects // of the rejected: what may be stored all the same
}

// gather returns the rows of the next messages that are to do, as many as go into the
// block at a time and leave it within the limit, but one at least. What is no row it
// rejects.
func (c *call) gather(b *block, l limit) (first int, rows []row) {
	todo := &c.todo[0]
	first = todo.lo
	most, bytes := min(chunkRows, l.rows-b.rows), min(chunkBytes, l.bytes-b.bytes)
	c.rows = slices.Grow(c.rows[:0], most)
	for todo.lo < todo.hi && len(c.rows) < most && bytes > 0 {
		c.rows = append(c.rows, row{})
		r := &c.rows[len(c.rows)-1]
		if why := c.batch.row(todo.lo, r, b.plan.letters); why != nil {
			if c.rows = c.rows[:len(c.rows)-1]; len(c.rows) > 0 {
				break // the next call begins with it
			}
			c.reject(todo.lo, r, why, b.plan)
			first++
		}
		bytes -= len(r.doc) + len(r.at.Key) + b.fixedWidth // texts are parts of the first two
		todo.lo++
	}
	if todo.len() == 0 {
		c.todo = c.todo[1:]
	}
	return first, c.rows
}

// put adds the rows of the messages from first on to the group's block: all at once or,
// if there is a bad one among them, half by half, until it is alone.
func (c *call) put(g *group, first int, rows []row) {
	if len(rows) == 0 {
		return
	}
	p := part{group: g, row: g.block.rows, messages: rowRange{first, first + len(rows)}}
	why := g.block.append(rows)
	switch half := len(rows) / 2; {
	case why == nil:
		c.took(p)
	case half == 0:
		c.reject(first, &rows[0], why, g.block.plan)
	default:
		c.put(g, first, rows[:half])
		c.put(g, first+half, rows[half:])
	}
}

// reject notes a message that is no row.
func (c *call) reject(i int, r *row, why *event.Rejection, p *plan) {
	s := p.suspect(r)
	if s != nil {
		if c.suspects == nil {
			c.suspects = &suspects{done: make(chan struct{})}
		}
		c.suspects.all = append(c.suspects.all, s)
	}
	c.rejected.add(i, why)
	c.rejected.suspect[len(c.rejected.suspect)-1] = s
}

// took notes messages that are in a block. The writer's lock is held as long as a group
// is added to, so that messages which follow each other are rows that do.
func (c *call) took(p part) {
	if n := len(c.parts); n > 0 {
		if last := &c.parts[n-1]; last.group == p.group && last.messages.hi == p.messages.lo {
			last.messages.hi = p.messages.hi
			return
		}
	}
	c.parts = append(c.parts, p)
}

// settle notes the outcome of a part whose group is done.
func (c *call) settle(p part) {
	end := min(p.messages.hi, max(p.messages.lo, p.messages.lo+p.group.settled-p.row))
	if end < p.messages.hi {
		c.todo = append(c.todo, rowRange{end, p.messages.hi})
	}
	if len(p.group.rejected) == 0 {
		return
	}
	for i := p.messages.lo; i < end; i++ {
		if r := p.group.rejected[p.row+i-p.messages.lo]; r != nil {
			c.rejected.add(i, r)
		}
	}
}

// rejections are the messages of one batch that cannot be stored.
type rejections struct {
	index   []int
	why     []*event.Rejection
	suspect []*suspect // nil where no row can be the message's
}

func (r *rejections) add(i int, why *event.Rejection) {
	r.index = append(r.index, i)
	r.why = append(r.why, why)
	r.suspect = append(r.suspect, nil)
}

// clear leaves out the messages that are stored.
func (r *rejections) clear() {
	var kept rejections
	for n, s := range r.suspect {
		if s == nil || !s.stored {
			kept.add(r.index[n], r.why[n])
		}
	}
	*r = kept
}

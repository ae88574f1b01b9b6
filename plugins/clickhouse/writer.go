package clickhouse

import (
	"context"
	"slices"
	"sync"
	"time"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// writer is group commit: callers add their rows to one open block and wait until
// it is stored; one sender stores a block at a time while the next one fills.
type writer struct {
	sender *sender
	stats  *stats
	// callers is how many calls of write there can be; when all of them wait for one
	// block, nothing can be gained by waiting longer.
	callers int
	// large is quietBytes, but for a test that has no megabytes to spare.
	large int

	mu       sync.Mutex
	open     *group
	inflight *group
	spare    *block // the buffers of the last block
	plan     *plan
	pace     pace
	calls    int // of write, that have not returned
	closing  bool
	hurried  bool // the process stops

	kick chan struct{} // something may be due
	quit chan struct{} // closed by close
	gone chan struct{} // closed when run has ended
	// stopping is closed when the process has been asked to stop; nil is never.
	stopping <-chan struct{}
}

func newWriter(s *sender, p *plan, c *config) *writer {
	w := &writer{
		sender: s, stats: s.stats, callers: c.maxInFlight, large: quietBytes, plan: p, open: newGroup(newBlock(p)),
		pace: newPace(limit{c.maxRows, c.maxBytes, c.flushInterval}),
		kick: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{}),
	}
	return w
}

// call is one call of write: a batch on its way into blocks.
type call struct {
	batch    documents
	todo     []rowRange // messages that are in no block
	parts    []part     // what is in blocks, while their outcome is awaited
	rejected rejections
	rows     []row // on their way into a block
}

// write adds a batch's rows and returns when each has an outcome: nil, a
// *service.BatchError that names the rejected ones, or service.ErrEndOfInput when
// ctx ended first, after which Benthos neither acknowledges nor repeats.
func (w *writer) write(ctx context.Context, batch documents) error {
	c := &call{batch: batch, todo: []rowRange{{0, batch.Len()}}}
	w.count(1)
	defer w.count(-1)
	for len(c.todo) > 0 {
		if err := w.add(ctx, c); err != nil {
			return err
		}
		if err := w.await(ctx, c); err != nil {
			return err
		}
	}
	if len(c.rejected.index) == 0 {
		return nil
	}
	w.stats.reject(&c.rejected, batch)
	return batch.fail(&c.rejected)
}

func (w *writer) count(n int) {
	w.mu.Lock()
	w.calls += n
	w.mu.Unlock()
}

// add puts the messages into blocks, as many as it takes.
func (w *writer) add(ctx context.Context, c *call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(c.todo) > 0 {
		if w.closing {
			return service.ErrEndOfInput
		}
		g := w.open
		if _, full := g.full(w.pace.limit()); full {
			if err := w.room(ctx, g); err != nil {
				return err
			}
			continue
		}
		empty, small := g.block.rows == 0, g.block.bytes < w.large
		w.addSome(g, c)
		g.grown = time.Now()
		if _, full := g.full(w.pace.limit()); full || empty && g.block.rows > 0 || small && g.block.bytes >= w.large {
			w.wake()
		}
	}
	if n := len(c.parts); n > 0 {
		last := c.parts[n-1].group
		if last.waiters++; last.waiters >= w.callers {
			w.wake()
		}
	}
	w.stats.rowsWaiting(w.waitingRows())
	return nil
}

// addSome adds the first messages that are to do until the block is full.
func (w *writer) addSome(g *group, c *call) {
	limit := w.pace.limit()
	if g.block.rows == 0 {
		g.opened = time.Now()
	}
	defer g.block.fill()
	for len(c.todo) > 0 {
		if _, full := g.full(limit); full {
			return
		}
		first, rows := c.gather(g.block, limit)
		c.put(g, first, rows)
	}
}

// gather returns the rows of the next messages that are to do, as many as go into the
// block at a time and leave it within the limit. What is no row it rejects.
func (c *call) gather(b *block, l limit) (first int, rows []row) {
	todo := &c.todo[0]
	first = todo.lo
	most, bytes := min(chunkRows, l.rows-b.rows), min(chunkBytes, l.bytes-b.bytes)
	c.rows = slices.Grow(c.rows[:0], most)
	for todo.lo < todo.hi && len(c.rows) < most && bytes > 0 {
		r := &c.rows[:len(c.rows)+1][len(c.rows)]
		if why := c.batch.row(todo.lo, r, b.plan.letters); why != nil {
			if len(c.rows) > 0 {
				break
			}
			c.rejected.add(todo.lo, why)
			first++
		} else {
			c.rows = c.rows[:len(c.rows)+1]
			bytes -= len(r.doc)
		}
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
		c.rejected.add(first, why)
	default:
		c.put(g, first, rows[:half])
		c.put(g, first+half, rows[half:])
	}
}

// took notes messages that are in a block.
func (c *call) took(p part) {
	if n := len(c.parts); n > 0 {
		if last := &c.parts[n-1]; last.group == p.group && last.messages.hi == p.messages.lo && last.row+last.messages.len() == p.row {
			last.messages.hi = p.messages.hi
			return
		}
	}
	c.parts = append(c.parts, p)
}

// room waits, without the lock, until the full group g has been taken.
func (w *writer) room(ctx context.Context, g *group) error {
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-g.taken:
		return nil
	case <-ctx.Done():
		return service.ErrEndOfInput
	}
}

// await waits for what is in blocks; what has to be built anew is to do again.
func (w *writer) await(ctx context.Context, c *call) error {
	for _, p := range c.parts {
		select {
		case <-p.group.done:
		case <-ctx.Done():
			return service.ErrEndOfInput
		}
		if p.group.err != nil {
			return service.ErrEndOfInput
		}
		c.settle(p)
	}
	c.parts = c.parts[:0]
	return nil
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

func (w *writer) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

func (w *writer) waitingRows() int {
	n := w.open.block.rows
	if w.inflight != nil {
		n += w.inflight.block.rows
	}
	return n
}

// rejections are the messages of one batch that cannot be stored.
type rejections struct {
	index []int
	why   []*event.Rejection
}

func (r *rejections) add(i int, why *event.Rejection) {
	r.index = append(r.index, i)
	r.why = append(r.why, why)
}

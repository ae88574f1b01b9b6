package clickhouse

import (
	"context"
	"sync"
	"time"

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
	suspects []*suspects // to be held against the table
	calls    int         // of write, that have not returned
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
	if c.rejected.clear(); len(c.rejected.index) == 0 {
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
	if c.suspects != nil {
		w.suspects = append(w.suspects, c.suspects)
		w.wake()
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
	return w.awaitFound(ctx, c)
}

// awaitFound waits until it is known what of the rejected messages is stored.
func (w *writer) awaitFound(ctx context.Context, c *call) error {
	if c.suspects == nil {
		return nil
	}
	select {
	case <-c.suspects.done:
	case <-ctx.Done():
		return service.ErrEndOfInput
	}
	if c.suspects.err != nil {
		return service.ErrEndOfInput
	}
	c.suspects = nil
	return nil
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

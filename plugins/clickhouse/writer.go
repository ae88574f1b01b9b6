package clickhouse

import (
	"context"
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

// write adds a batch's rows and returns when each has an outcome: nil, a
// *service.BatchError that names the rejected ones, or service.ErrEndOfInput when
// ctx ended first, after which Benthos neither acknowledges nor repeats.
func (w *writer) write(ctx context.Context, batch documents) error {
	todo := make([]int, batch.Len())
	for i := range todo {
		todo[i] = i
	}
	w.count(1)
	defer w.count(-1)
	var rejected rejections
	for len(todo) > 0 {
		parts, err := w.add(ctx, batch, todo, &rejected)
		if err == nil {
			todo, err = w.await(ctx, parts, &rejected)
		}
		if err != nil {
			return err
		}
	}
	if len(rejected.index) == 0 {
		return nil
	}
	w.stats.reject(&rejected, batch)
	return batch.fail(&rejected)
}

func (w *writer) count(n int) {
	w.mu.Lock()
	w.calls += n
	w.mu.Unlock()
}

// add puts the messages into blocks, as many as it takes.
func (w *writer) add(ctx context.Context, batch documents, todo []int, rejected *rejections) ([]part, error) {
	var parts []part
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(todo) > 0 {
		if w.closing {
			return nil, service.ErrEndOfInput
		}
		g := w.open
		if _, full := g.full(w.pace.limit()); full {
			if err := w.room(ctx, g); err != nil {
				return nil, err
			}
			continue
		}
		empty, small := g.block.rows == 0, g.block.bytes < w.large
		var p part
		p, todo = w.addSome(g, batch, todo, rejected)
		if len(p.msgs) > 0 {
			parts = append(parts, p)
		}
		g.grown = time.Now()
		if _, full := g.full(w.pace.limit()); full || empty && g.block.rows > 0 || small && g.block.bytes >= w.large {
			w.wake()
		}
	}
	if n := len(parts); n > 0 {
		last := parts[n-1].group
		if last.waiters++; last.waiters >= w.callers {
			w.wake()
		}
	}
	w.stats.rowsWaiting(w.waitingRows())
	return parts, nil
}

// addSome adds messages until the block is full; it returns those that are left.
func (w *writer) addSome(g *group, batch documents, todo []int, rejected *rejections) (part, []int) {
	p := part{group: g, row: g.block.rows, msgs: make([]int, 0, len(todo))}
	limit := w.pace.limit()
	if g.block.rows == 0 {
		g.opened = time.Now()
	}
	defer g.block.fill()
	var r row
	for n, i := range todo {
		if _, full := g.full(limit); full {
			return p, todo[n:]
		}
		why := batch.row(i, &r, g.block.plan.letters)
		if why == nil {
			why = g.block.append(&r)
		}
		if why != nil {
			rejected.add(i, why)
			continue
		}
		p.msgs = append(p.msgs, i)
	}
	return p, nil
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

// await returns the messages whose rows have to be built anew.
func (w *writer) await(ctx context.Context, parts []part, rejected *rejections) (again []int, err error) {
	for _, p := range parts {
		select {
		case <-p.group.done:
		case <-ctx.Done():
			return nil, service.ErrEndOfInput
		}
		if p.group.err != nil {
			return nil, service.ErrEndOfInput
		}
		for k, i := range p.msgs {
			row := p.row + k
			if row >= p.group.settled {
				again = append(again, p.msgs[k:]...)
				break
			}
			if r := p.group.rejected[row]; r != nil {
				rejected.add(i, r)
			}
		}
	}
	return again, nil
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

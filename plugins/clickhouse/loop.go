package clickhouse

import (
	"context"
	"time"
)

// run sends blocks as they fall due, one at a time, until close. ctx ends the
// insert in flight.
func (w *writer) run(ctx context.Context) {
	defer close(w.gone)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stopping := w.stopping
	for {
		w.find(ctx)
		g, why, wait := w.take(time.Now())
		if g != nil {
			w.send(ctx, g, why)
			continue
		}
		if wait < 0 {
			return
		}
		timer.Reset(wait)
		select {
		case <-w.kick:
		case <-timer.C:
		case <-w.quit:
		case <-stopping:
			w.hurry()
			stopping = nil
		}
	}
}

// take returns the open group if it is due, and opens another one. Otherwise wait
// is how long it may still fill; negative says that the writer has closed.
func (w *writer) take(now time.Time) (g *group, why reason, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g = w.open
	if len(w.suspects) > 0 {
		return nil, "", 0
	}
	if g.block.rows == 0 {
		if w.closing {
			return nil, "", -1
		}
		return nil, "", time.Hour
	}
	why, due := w.due(g, now)
	if !due {
		return nil, "", w.patience(g).Sub(now)
	}
	w.inflight = g
	w.openNext()
	close(g.taken)
	return g, why, 0
}

// find holds the suspects against the table. It comes before the block that their calls
// have added to: of what is above the rows of the last one it is known without a look
// that it is absent.
func (w *writer) find(ctx context.Context) {
	w.mu.Lock()
	waiting := w.suspects
	w.suspects = nil
	w.mu.Unlock()
	var all []*suspect
	for _, s := range waiting {
		all = append(all, s.all...)
	}
	if len(all) == 0 {
		return
	}
	err := w.sender.find(ctx, all)
	for _, s := range waiting {
		s.err = err
		close(s.done)
	}
}

func (w *writer) due(g *group, now time.Time) (reason, bool) {
	limit := w.pace.limit()
	if why, full := g.full(limit); full {
		return why, true
	}
	switch {
	case w.closing, w.hurried:
		return byClose, true
	case now.Sub(g.opened) >= limit.interval:
		return byTime, true
	case g.waiters >= w.callers, g.block.bytes >= w.large && now.Sub(g.grown) >= quiet:
		return byIdle, true
	}
	return "", false
}

// patience is until when a group may still fill if no row comes.
func (w *writer) patience(g *group) time.Time {
	until := g.opened.Add(w.pace.limit().interval)
	if still := g.grown.Add(quiet); g.block.bytes >= w.large && still.Before(until) {
		return still
	}
	return until
}

// hurry sends each block as soon as the last one is stored: the process stops, and
// waits for what is on its way here.
func (w *writer) hurry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurried = true
}

// openNext opens a group over the spare buffers, if they fit the plan.
func (w *writer) openNext() {
	b := w.spare
	w.spare = nil
	if b == nil || b.plan != w.plan {
		b = newBlock(w.plan)
	}
	w.open = newGroup(b)
}

// send stores a group's rows and tells its callers.
func (w *writer) send(ctx context.Context, g *group, why reason) {
	w.stats.flush(g.block, why)
	next, err := w.sender.store(ctx, g, w)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inflight = nil
	w.spare = g.block
	if g.err = err; err == nil {
		w.stats.stored(g)
	}
	if next != nil {
		w.replan(next)
	}
	g.block.reset()
	close(g.done)
	w.stats.rowsWaiting(w.waitingRows())
}

// replan makes the next rows by another plan. The rows of the open group were made
// by the old one: its callers add them again.
func (w *writer) replan(next *plan) {
	w.plan = next
	old := w.open
	w.openNext()
	old.settled = 0
	close(old.taken)
	close(old.done)
}

// adapt lets the sender tell how an insert went; it returns how many rows the next
// one may hold.
func (w *writer) adapt(c class, rows int, stored bool) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stored {
		w.pace.store()
	} else {
		w.pace.complain(c, rows)
	}
	return w.pace.limit().rows
}

// close sends what waits, then ends the sender; ctx bounds both. Callers that still
// wait then get service.ErrEndOfInput. Without a caller nothing is sent: after a hard
// stop the rows will come again, and storing them would only make them twice.
func (w *writer) close(ctx context.Context, cancel context.CancelFunc) {
	w.mu.Lock()
	w.closing = true
	abandoned := w.calls == 0
	w.mu.Unlock()
	if abandoned {
		cancel()
	}
	close(w.quit)
	select {
	case <-w.gone:
	case <-ctx.Done():
	}
	cancel()
	<-w.gone
}

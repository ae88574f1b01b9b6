package page

import (
	"context"
	"sync"
	"time"
)

// hub shares what is computed among viewers: all that look at the same board, range
// and variables are one view.
type hub struct {
	server *Server

	mu      sync.Mutex
	views   map[string]*view
	viewers int
}

// view is a board as some viewers see it. It works while there are any.
type view struct {
	key     string
	board   *Board
	request request
	stop    context.CancelFunc
	viewers int // under hub.mu

	mu      sync.Mutex
	changed chan struct{} // closed when a slot has changed
	slots   []slot        // one a panel, then the state
}

// slot is the last event of one panel; version counts its changes.
type slot struct {
	version uint64
	json    []byte
	at      time.Time
	pending bool // somebody waits for a newer one
}

func (v *view) at(i int) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.slots[i].at
}

// begin marks a slot as waited for, if it is wanted and nobody waits yet.
func (v *view) begin(i int, wanted bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !wanted || v.slots[i].pending {
		return false
	}
	v.slots[i].pending = true
	return true
}

func (v *view) end(i int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.slots[i].pending = false
}

// join adds a viewer; leave must be called. False: there are too many already.
func (h *hub) join(b *Board, r request) (v *view, leave func(), ok bool) {
	key := b.UID
	for _, p := range b.Panels {
		key += "\x00" + r.key(p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.viewers >= maxViewers {
		return nil, nil, false
	}
	v = h.views[key]
	if v == nil || v.board != b {
		ctx, stop := context.WithCancel(h.server.ctx)
		v = &view{key: key, board: b, request: r, stop: stop, changed: make(chan struct{}), slots: make([]slot, len(b.Panels)+1)}
		h.views[key] = v
		go h.server.refresh(ctx, v)
	}
	v.viewers++
	h.viewers++
	return v, func() { h.leave(v) }, true
}

func (h *hub) leave(v *view) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
	v.viewers--
	if v.viewers > 0 {
		return
	}
	v.stop()
	if h.views[v.key] == v {
		delete(h.views, v.key)
	}
}

// publish changes a slot and wakes the viewers; what they have already is left.
func (v *view) publish(i int, json []byte, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if json == nil || at.Equal(v.slots[i].at) {
		return
	}
	v.slots[i].version++
	v.slots[i].json, v.slots[i].at = json, at
	close(v.changed)
	v.changed = make(chan struct{})
}

// newer returns the slots that have changed since the versions of seen, which it
// updates, and a channel that the next change closes.
func (v *view) newer(seen []uint64) (changed []int, events [][]byte, next <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, s := range v.slots {
		if s.version != seen[i] {
			seen[i] = s.version
			changed, events = append(changed, i), append(events, s.json)
		}
	}
	return changed, events, v.changed
}

// refresh computes a view's panels for as long as ctx lasts, each once in a
// Board.Refresh. Those that show figures are computed as soon as rows are stored, if
// some are: waiting for the next tick would add up to a second to the half second that
// an event waits for its block.
func (s *Server) refresh(ctx context.Context, v *view) {
	for i, p := range v.board.Panels { // from another viewer, or the last visit
		raw, at := s.cache.entry(s.keyOf(v.board, p, v.request)).last()
		v.publish(i, raw, at)
	}
	s.heart.touch()
	var whole, fresh time.Time // the last tick of all panels, and of figures for new rows
	var seen pulse
	pause := v.board.Refresh - beat/2 // beats come a little early or late
	for ctx.Err() == nil {
		p, next, _ := s.heart.now()
		now := time.Now()
		if p.newest != seen.newest && now.Sub(fresh) >= pause {
			fresh, seen.newest = now, p.newest
			s.tick(ctx, v, figures, beat)
		}
		if turned := p.down() != seen.down(); turned || now.Sub(whole) >= pause {
			age, wanted := v.board.Refresh-beat, everything
			switch {
			case turned:
				age = 0
			case now.Sub(fresh) < pause:
				wanted = others
			}
			whole, seen.err = now, p.err
			s.tick(ctx, v, wanted, age)
			v.publish(len(v.board.Panels), stateOf(p), now)
		}
		s.heart.touch()
		select {
		case <-next:
		case <-ctx.Done():
		}
	}
}

// tickKind is what a tick computes.
type tickKind int

const (
	everything tickKind = iota
	figures             // what a new event changes at a glance
	others              // the rest
)

func (k tickKind) takes(p *Panel) bool { return k == everything || p.figure() == (k == figures) }

// figure tells the panels that follow every stored block. Lines leave the last second
// out anyway, and nobody reads a table twice a second.
func (p *Panel) figure() bool {
	return p.Type == "stat" || p.Type == "bargauge" || p.Type == "piechart"
}

// paces is how often a chart is computed in the time that one of its buckets is wide:
// what it shows, finished buckets, changes no more often but by late events.
const paces = 10

// pace is how long an answer of the panel is as good as new: for what has no buckets,
// the panel's own "Min interval".
func (p *Panel) pace(r request) time.Duration {
	if !p.bucketed {
		return p.minInterval
	}
	if p.Type != "timeseries" {
		return 0
	}
	from, to := r.bounds(time.Now())
	return p.interval(from, to, r.points) / paces
}

// tick starts the computation of every panel whose answer is older than age (or, if
// it is slow, than its period) and publishes each when it is there. A panel that is
// still being computed is left alone.
func (s *Server) tick(ctx context.Context, v *view, wanted tickKind, age time.Duration) {
	for i, p := range v.board.Panels {
		if p.sql == "" || p.Unknown != "" || !wanted.takes(p) {
			continue
		}
		age := age
		if age > 0 {
			age = max(age, p.pace(v.request)-beat)
		}
		e := s.cache.entry(s.keyOf(v.board, p, v.request))
		if !v.begin(i, e.due(age, v.at(i))) {
			continue
		}
		go func() {
			raw, at := e.get(ctx, age, func() Answer { return s.compute(v.board, p, v.request) })
			v.publish(i, raw, at)
			v.end(i)
		}()
	}
}

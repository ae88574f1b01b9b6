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

// refresh computes a view's panels for as long as ctx lasts: all of them every
// Board.Refresh, and those that show figures also as soon as rows are stored, but not
// more often than twice in that time. Waiting for the next tick would add up to a
// second to the half second that an event waits for its block.
func (s *Server) refresh(ctx context.Context, v *view) {
	for i, p := range v.board.Panels { // from another viewer, or the last visit
		raw, at := s.cache.entry(s.keyOf(v.board, p, v.request)).last()
		v.publish(i, raw, at)
	}
	s.heart.touch()
	var whole, fresh time.Time
	var seen pulse
	for ctx.Err() == nil {
		p, next, _ := s.heart.now()
		now := time.Now()
		rows := p.newest != seen.newest && now.Sub(fresh) >= (v.board.Refresh-beat)/2
		if rows {
			fresh, seen.newest = now, p.newest
			s.tick(ctx, v, figures, beat)
		}
		if turned := p.down() != seen.down(); turned || now.Sub(whole) >= v.board.Refresh-beat/2 {
			age := v.board.Refresh - beat
			if turned {
				age = 0
			}
			whole, seen.err = now, p.err
			s.tick(ctx, v, everything, age)
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
)

// figure tells the panels that follow every stored block. Lines leave the last second
// out anyway, and nobody reads a table twice a second.
func (p *Panel) figure() bool {
	return p.Type == "stat" || p.Type == "bargauge" || p.Type == "piechart"
}

// tick starts the computation of every panel whose answer is older than age (or, if
// it is slow, than its period) and publishes each when it is there. A panel that is
// still being computed is left alone.
func (s *Server) tick(ctx context.Context, v *view, wanted tickKind, age time.Duration) {
	for i, p := range v.board.Panels {
		if p.sql == "" || p.Unknown != "" || wanted == figures && !p.figure() {
			continue
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

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

// publish changes a slot and wakes the viewers.
func (v *view) publish(i int, json []byte) {
	if json == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.slots[i].version++
	v.slots[i].json = json
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
// Board.Refresh, and those that show the present in figures as soon as a row is
// stored, but not more often than twice in that time.
func (s *Server) refresh(ctx context.Context, v *view) {
	for i, p := range v.board.Panels {
		if e := s.cache.entry(s.keyOf(v.board, p, v.request)); e.last() != nil {
			v.publish(i, e.last()) // from another viewer, or the last visit
		}
	}
	s.heart.touch()
	var ticked, early time.Time
	var seen pulse
	for ctx.Err() == nil {
		p, next, _ := s.heart.now()
		now := time.Now()
		whole := now.Sub(ticked) >= v.board.Refresh-beat/2 || p.down() != seen.down()
		switch {
		case whole:
			ticked, early = now, now
		case p.newest != seen.newest && now.Sub(early) >= v.board.Refresh/2:
			early = now
		}
		if early == now || p.down() {
			seen = p
			s.tick(ctx, v, whole)
		}
		if whole || p.err != nil {
			v.publish(len(v.board.Panels), stateOf(p))
		}
		s.heart.touch()
		select {
		case <-next:
		case <-ctx.Done():
		}
	}
}

// tick starts the computation of every panel that is due, and publishes each when it
// is there. A panel that is still being computed is left alone.
func (s *Server) tick(ctx context.Context, v *view, whole bool) {
	for i, p := range v.board.Panels {
		if !whole && p.Type == "timeseries" {
			continue
		}
		age := v.board.Refresh - beat
		if !whole {
			age = v.board.Refresh/2 - beat/2
		}
		e := s.cache.entry(s.keyOf(v.board, p, v.request))
		if !e.due(age) {
			continue
		}
		go func() {
			v.publish(i, e.get(ctx, age, func() Answer { return s.compute(v.board, p, v.request) }))
		}()
	}
}

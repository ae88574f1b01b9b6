package page

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	// beat is the time between two looks at the server while somebody watches: a new
	// row is noticed so soon. One look reads metadata only.
	beat = 200 * time.Millisecond
	// lease is how long the heart goes on after the last one who asked.
	lease = 5 * time.Second
)

// heart knows whether the server answers and when a row was last stored. It beats
// while somebody watches, and asks nothing otherwise.
type heart struct {
	ctx context.Context
	db  *database

	mu     sync.Mutex
	until  time.Time // the end of the lease
	beats  bool
	last   pulse
	beaten chan struct{} // closed at the next beat
	// alive ends, with the cause, when the server stops answering: queries that hang
	// on it end too.
	alive context.Context
	kill  context.CancelCauseFunc
}

func newHeart(ctx context.Context, db *database) *heart {
	h := &heart{ctx: ctx, db: db, beaten: make(chan struct{})}
	h.alive, h.kill = context.WithCancelCause(ctx)
	return h
}

// touch keeps the heart beating. It returns once a beat is known.
func (h *heart) touch() {
	h.mu.Lock()
	h.until = time.Now().Add(lease)
	wait := h.beaten
	start := !h.beats
	if start {
		h.beats = true
		go h.run()
	}
	known := !start && (!h.last.at.IsZero() || h.last.err != nil)
	h.mu.Unlock()
	if known {
		return
	}
	select {
	case <-wait:
	case <-h.ctx.Done():
	}
}

// now returns the last beat, a channel that the next one closes, and the context of
// queries.
func (h *heart) now() (pulse, <-chan struct{}, context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, h.beaten, h.alive
}

func (h *heart) run() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		p := h.db.pulse(h.ctx)
		if !h.beatWith(p) {
			return
		}
		select {
		case <-ticker.C:
		case <-h.ctx.Done():
			return
		}
	}
}

// beatWith makes p the last beat; false: nobody watches any more.
func (h *heart) beatWith(p pulse) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().After(h.until) {
		h.beats, h.last = false, pulse{}
		return false
	}
	switch {
	case p.down():
		h.kill(p.err)
	case h.alive.Err() != nil:
		h.alive, h.kill = context.WithCancelCause(h.ctx)
	}
	h.last = p
	close(h.beaten)
	h.beaten = make(chan struct{})
	return true
}

// down tells a server that does not answer from one that answers with an error.
func (p pulse) down() bool {
	var refusal *clickhouse.Exception
	return p.err != nil && !errors.As(p.err, &refusal)
}

package page

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

const (
	// slow is what a panel's query may take and still be computed at every tick.
	slow = 100 * time.Millisecond
	// restFactor bounds what a slow panel costs: it rests so many times as long as it
	// took, so it keeps one connection busy for a twentieth of the time.
	restFactor = 20
	// remembered is how many of the last times count.
	remembered = 5
	// maxCached and unused bound the answers that are kept for the next viewer.
	maxCached = 1000
	unused    = 30 * time.Second
)

// cache holds the last answer to each question, and sees that a question is asked
// once however many wait for the answer.
type cache struct {
	mu      sync.Mutex
	entries map[string]*cached
}

type cached struct {
	mu      sync.Mutex
	running chan struct{} // closed when the answer is there; nil: nobody computes
	json    []byte
	at      time.Time // when the computation began
	// took is the shortest of the last times, zero until all of them are known: some
	// slow answers of a cold or busy server do not make a slow panel.
	took  time.Duration
	times []time.Duration
	used  time.Time
}

func newCache() *cache { return &cache{entries: map[string]*cached{}} }

func (c *cache) entry(key string) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		c.sweep()
		e = &cached{}
		c.entries[key] = e
	}
	e.used = time.Now()
	return e
}

// sweep forgets what nobody has asked for lately, sooner the more there is.
func (c *cache) sweep() {
	limit := unused
	if len(c.entries) >= maxCached {
		limit = time.Second
	}
	for key, e := range c.entries {
		if time.Since(e.used) > limit {
			delete(c.entries, key)
		}
	}
}

// period is how old an answer may be before it is computed again.
func period(refresh, took time.Duration) time.Duration {
	if took > slow {
		return max(refresh, restFactor*took)
	}
	return refresh
}

// due tells whether there is, or should be, a newer answer than the one of shown:
// it is missing, older than its period (age, for a cheap panel), being computed, or
// computed already for somebody else.
func (e *cached) due(age time.Duration, shown time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running != nil || e.json == nil || !e.at.Equal(shown) || time.Since(e.at) >= period(age, e.took)
}

// note adds what the last computation took.
func (e *cached) note(took time.Duration) {
	if e.times = append(e.times, took); len(e.times) > remembered {
		e.times = e.times[1:]
	}
	if len(e.times) == remembered {
		e.took = slices.Min(e.times)
	}
}

// last returns the last answer and when it was begun, nil for none.
func (e *cached) last() ([]byte, time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.json, e.at
}

// get returns an answer not older than its period; compute makes a new one. Those
// who come while it is computed wait for it.
func (e *cached) get(ctx context.Context, age time.Duration, compute func() Answer) ([]byte, time.Time) {
	e.mu.Lock()
	if running := e.running; running != nil {
		e.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
		}
		return e.last()
	}
	if e.json != nil && time.Since(e.at) < period(age, e.took) {
		defer e.mu.Unlock()
		return e.json, e.at
	}
	e.running = make(chan struct{})
	begin := time.Now()
	e.mu.Unlock()

	a := compute()
	raw, err := json.Marshal(a)
	if err != nil { // no value of a column is one that JSON lacks
		raw, _ = json.Marshal(Answer{ID: a.ID, At: a.At, Error: failureOf(err), Fields: []Field{}})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.json, e.at = raw, begin
	e.note(a.took)
	close(e.running)
	e.running = nil
	return raw, begin
}

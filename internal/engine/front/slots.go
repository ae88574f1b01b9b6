package front

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// slots bounds the statements that run at once: each thread that ever entered the
	// engine keeps three file descriptors.
	slots = 32
	// mostInserts bounds the INSERTs that are open, most of which wait for rows. Each
	// holds a thread of the engine, but a slot only while the engine works for it.
	mostInserts = 48
	// mostReading bounds the requests of which more than freeBytes, or what only a
	// decoder can tell, are read at once: a client may stop in the middle of any.
	mostReading = 32
	freeBytes   = 8 << 10
	// stall is how long one of those may send nothing.
	stall = 30 * time.Second
)

// queue is a number of places, for which the next one waits.
type queue chan struct{}

// take waits for a place and returns what gives it back, which may be called twice.
func (q queue) take(ctx context.Context) (give func(), err error) {
	select {
	case q <- struct{}{}:
		return sync.OnceFunc(func() { <-q }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// enter takes a slot for a statement. KILL needs none: it must get through when the
// statements that run hold all of them.
func (b *Backend) enter(ctx context.Context, kind string) (leave func(), err error) {
	if kind == "KILL" {
		return func() {}, nil
	}
	return b.slots.take(ctx)
}

// paced is the engine's end of an INSERT: it holds a slot while the engine takes bytes,
// not while the client finds some.
type paced struct {
	w   io.Writer
	b   *Backend
	ctx context.Context
}

func (p paced) Write(data []byte) (int, error) {
	leave, err := p.b.slots.take(p.ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return p.w.Write(data)
}

// toll is a request's body: some of it is read freely, then it takes a place among
// mostReading.
type toll struct {
	io.ReadCloser
	x    *exchange
	free int
	give func() // nil without a place
	paid bool   // the rest is the INSERT's affair
}

func (t *toll) Read(p []byte) (int, error) {
	if t.paid {
		return t.ReadCloser.Read(p)
	}
	if t.free == 0 && t.give == nil {
		give, err := t.x.backend.reading.take(t.x.r.Context())
		if err != nil {
			return 0, err
		}
		t.give = give
	}
	patience := receiveTimeout
	if t.give != nil {
		patience = stall
	} else {
		p = p[:min(len(p), t.free)]
	}
	_ = http.NewResponseController(t.x.w).SetReadDeadline(time.Now().Add(patience))
	n, err := t.ReadCloser.Read(p)
	t.free = max(0, t.free-n)
	return n, err
}

// done gives the place back: the statement has been read.
func (t *toll) done() {
	if t.paid {
		return
	}
	t.paid = true
	_ = http.NewResponseController(t.x.w).SetReadDeadline(time.Time{})
	if t.give != nil {
		t.give()
	}
}

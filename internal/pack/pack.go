// Package pack carries a batch of records through Benthos as one message where nobody
// could tell. One event is one message for everything that a user can write into a
// pipeline; between our input and our outputs with nothing in between, a message for
// each event is 1 KB and 12 allocations that nobody looks at (docs/performance.md).
package pack

import (
	"context"
	"sync"
	"sync/atomic"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

var allowed atomic.Bool

// Allow lets the inputs of this process pack, until undo. Whoever calls it has seen
// that the pipeline has no processor and that each of its outputs knows packs (Fits).
func Allow() (undo func()) {
	allowed.Store(true)
	return func() { allowed.Store(false) }
}

// Allowed reports whether Allow was called.
func Allowed() bool { return allowed.Load() }

// Records are what a pack holds.
type Records interface {
	// Len is how many they are.
	Len() int
	// Record returns the value of number i and fills in its coordinate. Neither may be
	// kept after the pack has its answer.
	Record(i int, at *event.Coordinate) (value []byte)
}

// Pack is the context of a message that stands for many records. It is used by one
// output after the other; only Unpack may be called by several at a time, as the outputs
// behind a fan_out do that the refused records go to.
type Pack struct {
	context.Context
	Records
	refused []Refusal

	unpacking sync.Mutex // Records has a position
}

// Refusal is a record that an output will never take.
type Refusal struct {
	Index int
	Why   *event.Rejection
}

// New packs records.
func New(r Records) *Pack { return &Pack{Context: context.Background(), Records: r} }

type key struct{}

// Value returns the pack itself for this package's own key.
func (p *Pack) Value(k any) any {
	if _, ok := k.(key); ok {
		return p
	}
	return p.Context.Value(k)
}

// Message returns the message that travels.
func (p *Pack) Message() *service.Message { return service.NewMessageWithContext(p, nil) }

// Of returns the pack that a message stands for, or nil.
func Of(m *service.Message) *Pack {
	p, _ := m.Context().Value(key{}).(*Pack)
	return p
}

// Refuse says which records the output will never take, for those that come after
// it in a fallback.
func (p *Pack) Refuse(these []Refusal) { p.refused = these }

// Refused returns what Refuse was given last.
func (p *Pack) Refused() []Refusal { return p.refused }

// Unpack returns the batch with a message for each record where it holds a pack: of a
// pack that an output has refused records of, for those only, each with the reason in
// the metadata fallback_error, as Benthos' fallback does for messages. A batch without
// packs is returned as it is.
func Unpack(batch service.MessageBatch) service.MessageBatch {
	packs := false
	for _, m := range batch {
		packs = packs || Of(m) != nil
	}
	if !packs {
		return batch
	}
	var out service.MessageBatch
	for _, m := range batch {
		if p := Of(m); p != nil {
			out = p.unpack(out)
		} else {
			out = append(out, m)
		}
	}
	return out
}

func (p *Pack) unpack(out service.MessageBatch) service.MessageBatch {
	p.unpacking.Lock()
	defer p.unpacking.Unlock()
	if p.refused == nil {
		for i := range p.Len() {
			out = append(out, p.message(i))
		}
		return out
	}
	for _, r := range p.refused {
		one := p.message(r.Index)
		one.MetaSetMut("fallback_error", r.Why.Error())
		out = append(out, one)
	}
	return out
}

func (p *Pack) message(i int) *service.Message {
	record := &event.Record{Context: context.Background()}
	value := p.Record(i, &record.Coordinate)
	return service.NewMessageWithContext(record, value)
}

// Failed returns err, which speaks of unpacked messages, as one of the batch that they
// came from. It is whole for every message of it: a pack fails or does not.
func Failed(batch, unpacked service.MessageBatch, err error) error {
	if err == nil || len(unpacked) == len(batch) && len(batch) > 0 && Of(batch[0]) == nil {
		return err
	}
	if _, named := err.(*service.BatchError); !named { //nolint:errorlint // ours, as it was made
		return err
	}
	failed := service.NewBatchError(batch, err)
	for i := range batch {
		_ = failed.Failed(i, err) // it returns itself
	}
	return failed
}

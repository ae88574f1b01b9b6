package simulator

import (
	"math"
	"slices"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/event"
	"clickstream/internal/redelivery"
)

// batch is the bytes of events that leave together. They are kept until the output
// acknowledged them, and never change: downstream may hold on to them.
type batch struct {
	slab  []byte // the events' JSON, one after the other
	ends  []int  // where each event ends in slab
	kinds [event.RemoveFromCart + 1]int64
	dirt  [dirtKinds]int64

	sent    []sent  // of each record, if there is dirt or a ledger
	numbers []int64 // of each record, if there is a ledger

	handing int  // how many times the batch was handed out
	handed  bool // Benthos passed it on at least once
}

// maker makes batches.
type maker struct {
	generator *generator
	dirt      *dirt // nil: none
	noted     bool  // batches say what each record is, for a ledger
}

// batch makes n events (at least 1), dated evenly over the time from wall-span,
// exclusive, to wall.
func (m *maker) batch(n int, wall time.Time, span time.Duration) *batch {
	b := &batch{slab: make([]byte, 0, n*m.generator.maxLen()), ends: make([]int, n)}
	step := int64(span) / int64(n)
	at := wall.UnixNano() - step*int64(n)
	if m.dirt != nil || m.noted {
		m.note(b, at, step)
		return b
	}
	var stamp [32]byte
	written, text := int64(math.MinInt64), stamp[:0]
	for i := range b.ends {
		at += step
		e := m.generator.next()
		if e.UnixMilli = at / int64(time.Millisecond); e.UnixMilli != written {
			written, text = e.UnixMilli, event.AppendTime(stamp[:0], e.UnixMilli)
		}
		b.slab = event.AppendStamped(b.slab, e, text)
		b.ends[i] = len(b.slab)
		b.kinds[e.Type]++
	}
	return b
}

// note is batch with dirt, or for a ledger.
func (m *maker) note(b *batch, at, step int64) {
	b.sent = make([]sent, len(b.ends))
	for i := range b.ends {
		at += step
		var e event.Event
		if m.dirt != nil {
			b.slab, e, b.sent[i] = m.dirt.append(b.slab, m.generator, at/int64(time.Millisecond))
		} else {
			e = m.generator.next()
			e.UnixMilli = at / int64(time.Millisecond)
			b.slab = event.Append(b.slab, e)
			b.sent[i] = sent{e.ID, clean, stored}
		}
		b.ends[i] = len(b.slab)
		b.kinds[e.Type]++
		b.dirt[b.sent[i].kind]++
	}
}

// messages returns new messages over the batch's bytes: those of an earlier handing
// may have been changed by processors.
func (b *batch) messages() service.MessageBatch {
	out := make(service.MessageBatch, len(b.ends))
	for i := range out {
		out[i] = service.NewMessage(b.event(i))
	}
	return out
}

func (b *batch) event(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.slab[from:b.ends[i]:b.ends[i]]
}

// refused returns the events that err says were not delivered, as a batch: all of
// them unless it tells which.
func (b *batch) refused(err error) *batch {
	indexes := redelivery.Refused(err, len(b.ends), b.event)
	if len(indexes) == 0 {
		return b
	}
	rest := &batch{handing: b.handing, handed: b.handed}
	for _, i := range indexes {
		rest.slab = append(rest.slab, b.event(i)...)
		rest.ends = append(rest.ends, len(rest.slab))
		if b.numbers != nil {
			rest.numbers = append(rest.numbers, b.numbers[i])
		}
	}
	return rest
}

// without returns the numbers of the records that are not in rest, which is a part
// of the batch.
func (b *batch) without(rest *batch) []int64 {
	refused := make(map[int64]bool, len(rest.numbers))
	for _, n := range rest.numbers {
		refused[n] = true
	}
	return slices.DeleteFunc(slices.Clone(b.numbers), func(n int64) bool { return refused[n] })
}

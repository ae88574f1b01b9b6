package replay

import (
	"context"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/event"
	"clickstream/internal/pack"
	"clickstream/internal/redelivery"
)

// batch is the bytes of rows that leave together; they never change.
type batch struct {
	slab  []byte
	ends  []int // where each row ends in slab
	to    place // behind its last
	ahead int64 // rows read so far, its own among them

	number  int64
	handing int  // how many times it was handed out
	passed  bool // Benthos passed it on at least once
	pack    *pack.Pack
}

// Len and Record make a batch what a pack holds.
func (b *batch) Len() int { return len(b.ends) }

// Record returns a row's bytes; rows have no coordinate.
func (b *batch) Record(i int, at *event.Coordinate) []byte {
	*at = event.Coordinate{}
	return b.row(i)
}

// row is never empty.
func (b *batch) row(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.slab[from:b.ends[i]:b.ends[i]]
}

// messages returns new messages over the batch's bytes.
func (b *batch) messages() service.MessageBatch {
	if pack.Allowed() {
		b.pack = pack.New(b)
		return service.MessageBatch{b.pack.Message()}
	}
	out := make(service.MessageBatch, len(b.ends))
	for i := range out {
		out[i] = service.NewMessage(b.row(i))
	}
	return out
}

// refused returns the rows that were not delivered, as a batch in the same place: what
// arrived must not be sent twice. ok is false if nobody can tell which they are.
func (b *batch) refused(err error) (rest *batch, ok bool) {
	var indexes []int
	if b.pack != nil {
		for _, r := range b.pack.Refused() {
			indexes = append(indexes, r.Index)
		}
	} else {
		indexes = redelivery.Refused(err, len(b.ends), b.row)
	}
	if len(indexes) == 0 {
		return b, false
	}
	rest = &batch{to: b.to, number: b.number, handing: b.handing, passed: b.passed}
	for _, i := range indexes {
		rest.slab = append(rest.slab, b.row(i)...)
		rest.ends = append(rest.ends, len(rest.slab))
	}
	return rest, true
}

// mark is a marker that will hold once every batch before it is delivered.
type mark struct {
	before int64 // the number of the first batch behind it
	at     place
	ends   map[int32]int64
	ahead  int64 // rows read before
}

// deliveries keeps each batch from when it is handed out until it is acknowledged. All
// methods may be called at the same time.
type deliveries struct {
	mu      sync.Mutex
	open    map[int64]*batch // by number, those that have no answer
	refused redelivery.Queue[*batch]
	next    int64 // number of the next new batch
	at      place // before the first row that was never handed out
	ahead   int64 // rows read before
	marks   []mark
	marked  place // of the last mark
	resent  *service.MetricCounter
	changed chan struct{} // gets a value after an acknowledgement, good or bad
}

func newDeliveries(resent *service.MetricCounter) *deliveries {
	return &deliveries{open: map[int64]*batch{}, resent: resent, changed: make(chan struct{}, 1)}
}

// hand returns what Benthos gets of a batch.
func (d *deliveries) hand(b *batch) (service.MessageBatch, service.AckFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.handing == 0 {
		b.number = d.next
		d.next++
		d.at, d.ahead = b.to, b.ahead
	}
	b.handing++
	d.open[b.number] = b
	handing := b.handing
	return b.messages(), func(_ context.Context, err error) error {
		d.settle(b, handing, err)
		return nil
	}
}

// settle takes an acknowledgement. Benthos may give the same one twice.
func (d *deliveries) settle(b *batch, handing int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[b.number] != b || b.handing != handing {
		return
	}
	delete(d.open, b.number)
	if err != nil {
		rest, _ := b.refused(err)
		d.refused.Add(rest, handing, time.Now())
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// retry returns a refused batch whose time has come, if there is one.
func (d *deliveries) retry(now time.Time) *batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.refused.Take(now)
	if ok {
		d.resent.Incr(int64(len(b.ends)))
	}
	return b
}

// state returns how many batches are not delivered yet, whether too many of them were
// refused to make new ones, and when the next is to be retried (zero: none).
func (d *deliveries) state() (open int, full bool, retryAt time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open) + d.refused.Len(), d.refused.Full(), d.refused.Due()
}

// moved says that rows up to a place need no delivery: the topic has them.
func (d *deliveries) moved(to place, ahead int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.ahead = to, ahead
}

// mark notes the topic's ends. No row from the current place on was handed out when
// they were asked for, so none lies before them.
func (d *deliveries) mark(ends map[int32]int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == d.marked {
		return
	}
	d.marked = d.at
	d.marks = append(d.marks, mark{before: d.next, at: d.at, ends: ends, ahead: d.ahead})
}

// ripe returns the latest mark before which everything is delivered.
func (d *deliveries) ripe() (latest mark, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := d.next
	for number := range d.open {
		first = min(first, number)
	}
	for b := range d.refused.All() {
		first = min(first, b.number)
	}
	for len(d.marks) > 0 && d.marks[0].before <= first {
		latest, ok = d.marks[0], true
		d.marks = d.marks[1:]
	}
	return latest, ok
}

// passedOn marks a batch that Benthos did not drop.
func (d *deliveries) passedOn(b *batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b.passed = true
}

// place is where the first row lies that was never handed out.
func (d *deliveries) place() place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// unacked returns how many rows were passed on and have no answer.
func (d *deliveries) unacked() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.open {
		if b.passed {
			n += len(b.ends)
		}
	}
	for b := range d.refused.All() {
		if b.passed {
			n += len(b.ends)
		}
	}
	return n
}

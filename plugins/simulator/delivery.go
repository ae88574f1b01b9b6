package simulator

import (
	"context"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/redelivery"
)

// deliveries keeps each batch from when it is handed out until it is acknowledged. All
// methods may be called at the same time.
type deliveries struct {
	mu      sync.Mutex
	out     map[*batch]struct{}
	refused redelivery.Queue[*batch]
	resent  *service.MetricCounter
	acked   func(numbers []int64) // notes records that arrived; nil without a ledger

	// changed gets a value after an acknowledgement, good or bad.
	changed chan struct{}
}

func newDeliveries(resent *service.MetricCounter) *deliveries {
	return &deliveries{out: map[*batch]struct{}{}, resent: resent, changed: make(chan struct{}, 1)}
}

// hand returns what Benthos gets of a batch, and keeps the batch until its
// acknowledgement.
func (d *deliveries) hand(b *batch) (service.MessageBatch, service.AckFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b.handing++
	d.out[b] = struct{}{}
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
	if _, open := d.out[b]; !open || b.handing != handing {
		return
	}
	delete(d.out, b)
	arrived := b.numbers
	if err != nil {
		rest := b.refused(err)
		arrived = b.without(rest)
		d.refused.Add(rest, handing, time.Now())
	}
	if d.acked != nil && len(arrived) > 0 {
		d.acked(arrived)
	}
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// retry returns a refused batch whose time has come, if there is one, and takes it
// off the list.
func (d *deliveries) retry(now time.Time) *batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.refused.Take(now)
	if ok {
		d.resent.Incr(int64(len(b.ends)))
	}
	return b
}

// state returns how many batches are not delivered yet, whether too many of them
// were refused to make new ones, and when the next is to be retried (zero: none).
func (d *deliveries) state() (open int, full bool, retryAt time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.out) + d.refused.Len(), d.refused.Full(), d.refused.Due()
}

// passedOn marks a batch that Benthos did not drop.
func (d *deliveries) passedOn(b *batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b.handed = true
}

// unacked returns how many events were passed on and not acknowledged.
func (d *deliveries) unacked() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := range d.out {
		if b.handed {
			n += len(b.ends)
		}
	}
	for b := range d.refused.All() {
		if b.handed {
			n += len(b.ends)
		}
	}
	return n
}

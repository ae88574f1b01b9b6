package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// How long to wait before records that failed are sent once more. franz-go itself
// retries what the protocol calls retryable; this is for the rest, such as a topic
// that is gone for the moment.
const (
	minResend = 250 * time.Millisecond
	maxResend = 5 * time.Second
)

// hardStopGrace is how long records may still take once a hard stop has come.
const hardStopGrace = 500 * time.Millisecond

// write is one WriteBatch: its records in one slab, and what became of them.
type write struct {
	records []kgo.Record
	left    atomic.Int64
	done    chan struct{}

	mu     sync.Mutex
	failed map[*kgo.Record]error // nil as long as nothing failed
}

// promise is the callback of every record. It runs on franz-go's one goroutine for
// callbacks, so it must be cheap.
func (w *write) promise(r *kgo.Record, err error) {
	if err != nil {
		w.mu.Lock()
		if w.failed == nil {
			w.failed = map[*kgo.Record]error{}
		}
		w.failed[r] = err
		w.mu.Unlock()
	}
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
}

// write sends the records that are not in refused until each is written or in there.
// Its only error is that of a hard stop.
func (o *output) write(ctx context.Context, w *write, refused map[*kgo.Record]error) error {
	pending := make([]*kgo.Record, 0, len(w.records))
	for i := range w.records {
		if r := &w.records[i]; refused[r] == nil {
			pending = append(pending, r)
		}
	}
	pause := minResend
	for len(pending) > 0 {
		part := pending[:o.bufferful(pending)]
		failed, err := o.send(ctx, w, part)
		if err != nil {
			process.AddUnacked(len(pending))
			return service.ErrEndOfInput // neither acknowledged nor refused
		}
		again := o.sort(ctx, w, part, failed, refused)
		pending = pending[len(part)-len(again):]
		if len(again) == 0 {
			pause = minResend
			continue
		}
		copy(pending, again)
		o.stats.retries.Incr(int64(len(again)))
		if !sleep(ctx, pause) {
			process.AddUnacked(len(pending))
			return service.ErrEndOfInput
		}
		pause = min(2*pause, maxResend)
	}
	return nil
}

// bufferful is how many of records, one or more, the client's buffer has room for.
func (o *output) bufferful(records []*kgo.Record) int {
	room := o.config.buffered / o.config.inFlight
	for i, r := range records {
		size := len(r.Key) + len(r.Value)
		for _, h := range r.Headers {
			size += len(h.Key) + len(h.Value)
		}
		if room -= max(size, minBuffered); room < 0 {
			return max(i, 1)
		}
	}
	return len(records)
}

// send produces records in their order and waits for all of them. It returns the
// failures, or an error when the hard stop came first. All are in the buffer before
// the first one leaves: if one is refused, franz-go fails what the buffer holds of its
// partition, so nothing is written before what is sent again.
func (o *output) send(ctx context.Context, w *write, records []*kgo.Record) (map[*kgo.Record]error, error) {
	w.left.Store(int64(len(records)))
	w.done = make(chan struct{})
	w.failed = nil
	promise := w.promise
	for _, r := range records {
		o.cl.Produce(ctx, r, promise)
	}
	flushing, flushed := context.WithCancel(context.WithoutCancel(ctx)) // a hard stop has its grace
	defer flushed()
	go func() { _ = o.cl.Flush(flushing) }() // ends with us, or once nothing is left: done tells
	select {
	case <-w.done:
	case <-ctx.Done():
		// What was sent already cannot be called back, but it may still be answered.
		late := time.NewTimer(hardStopGrace)
		defer late.Stop()
		select {
		case <-w.done:
		case <-late.C:
			return nil, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failed) > 0 && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return w.failed, nil
}

// sort puts the failures that no retry can help into refused, and returns the
// others, in their order.
func (o *output) sort(ctx context.Context, w *write, sent []*kgo.Record, failed, refused map[*kgo.Record]error) (again []*kgo.Record) {
	if len(failed) == 0 {
		return nil
	}
	var why error
	for _, r := range sent {
		err := failed[r]
		if errors.Is(err, kerr.MessageTooLarge) {
			err = o.alone(ctx, w, r)
		}
		switch {
		case err == nil:
		case o.config.deadLetters && o.halve(r, err):
			again = append(again, r)
		case hopeless(err):
			refused[r] = o.rejection(r, err)
		default:
			why = err
			again = append(again, r)
		}
	}
	if why != nil {
		o.trouble(why)
	}
	return again
}

// alone sends a record by itself: a broker that finds a batch too large refuses
// all of its records, and only one of them may be at fault.
func (o *output) alone(ctx context.Context, w *write, r *kgo.Record) error {
	failed, err := o.send(ctx, w, []*kgo.Record{r})
	if err != nil {
		return err
	}
	return failed[r]
}

// hopeless reports whether a record will be refused however often it is sent.
func hopeless(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) ||
		errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

// trouble reports an error that waiting may mend, and lets franz-go forget a topic
// that is gone: it holds on to a topic's id, so one that was created anew would be
// refused for ever.
func (o *output) trouble(err error) {
	why, fatal := o.explain(err)
	if fatal {
		o.refused(why)
	}
	o.down(why)
	if errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition) {
		o.cl.PurgeTopicsFromProducing(o.topic)
	}
}

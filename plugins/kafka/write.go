package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"clickstream/internal/event"
	"clickstream/internal/pack"
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

// WriteBatch returns when the brokers have every message. Its error names the
// messages that no retry can help; only at a hard stop does it give up on others.
func (o *output) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	if len(batch) == 1 && !o.config.deadLetters && o.config.key == nil {
		if p := pack.Of(batch[0]); p != nil && p.Refused() == nil {
			return o.writePack(ctx, batch, p)
		}
	}
	messages := pack.Unpack(batch)
	w, refused := o.prepare(messages)
	if err := o.write(ctx, w, refused); err != nil {
		return err
	}
	return pack.Failed(batch, messages, o.finish(messages, w, refused))
}

// writePack writes the records of a pack.
func (o *output) writePack(ctx context.Context, batch service.MessageBatch, p *pack.Pack) error {
	w := &write{records: make([]kgo.Record, p.Len())}
	var at event.Coordinate
	now := time.Now()
	for i := range w.records {
		r := &w.records[i]
		r.Timestamp, r.Value = now, p.Record(i, &at)
		if o.config.keyField != "" {
			r.Key, _ = event.Lookup(r.Value, o.config.keyField)
		}
	}
	refused := map[*kgo.Record]error{}
	if err := o.write(ctx, w, refused); err != nil {
		return err
	}
	o.count(w, refused)
	if len(refused) == 0 {
		return nil
	}
	var these []pack.Refusal
	for i := range w.records {
		if err, ok := refused[&w.records[i]]; ok {
			why := event.ParseRejection(err.Error())
			these = append(these, pack.Refusal{Index: i, Why: &why})
		}
	}
	p.Refuse(these)
	return service.NewBatchError(batch, these[0].Why).Failed(0, these[0].Why)
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

// rejection is what the pipeline gets to read about a refused record: never its
// content.
func (o *output) rejection(r *kgo.Record, err error) error {
	if !errors.Is(err, kerr.MessageTooLarge) {
		return &event.Rejection{Reason: event.ReasonOther, Message: "topic " + o.topic + ": " + err.Error()}
	}
	return &event.Rejection{Reason: event.ReasonRange, Message: fmt.Sprintf(
		"record of %d bytes: topic %s takes %d at most (max.message.bytes)", len(r.Key)+len(r.Value), o.topic, o.limit.Load())}
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

// count counts what a batch came to.
func (o *output) count(w *write, refused map[*kgo.Record]error) {
	bytes := int64(0)
	for i := range w.records {
		bytes += int64(len(w.records[i].Key) + len(w.records[i].Value))
	}
	o.stats.bytes.Incr(bytes)
	o.stats.records.Incr(int64(len(w.records) - len(refused)))
	o.worked.Store(true)
	if o.log.quiet.Load() {
		o.up()
	}
	if len(refused) > 0 {
		o.stats.errors.Incr(int64(len(refused)))
	}
}

// finish counts, and makes the error that names the refused messages.
func (o *output) finish(batch service.MessageBatch, w *write, refused map[*kgo.Record]error) error {
	o.count(w, refused)
	if len(refused) == 0 {
		return nil
	}
	var result *service.BatchError
	for i := range w.records {
		err, ok := refused[&w.records[i]]
		if !ok {
			continue
		}
		if result == nil {
			result = service.NewBatchError(batch, err)
		}
		result.Failed(i, err)
	}
	return result
}

// prepare makes the records of a batch; those it cannot make are in refused. Keys
// and values are not copied: franz-go reads them until the promise, and messages do
// not change.
func (o *output) prepare(batch service.MessageBatch) (w *write, refused map[*kgo.Record]error) {
	w = &write{records: make([]kgo.Record, len(batch))}
	refused = map[*kgo.Record]error{}
	var key *service.MessageBatchInterpolationExecutor
	if o.config.key != nil {
		key = batch.InterpolationExecutor(o.config.key)
	}
	now := time.Now()
	for i, m := range batch {
		r := &w.records[i]
		r.Timestamp = now
		var err error
		if r.Value, err = m.AsBytes(); err == nil && key != nil {
			r.Key, err = key.TryBytes(i)
		}
		if err != nil {
			refused[r] = fmt.Errorf("topic %s: key or value: %w", o.topic, err)
			continue
		}
		if o.config.keyField != "" {
			r.Key, _ = event.Lookup(r.Value, o.config.keyField)
		}
		if o.config.deadLetters {
			o.letter(r, m)
		}
	}
	return w, refused
}

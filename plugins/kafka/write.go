package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clickstream/internal/event"
	"clickstream/internal/pack"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

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

// rejection is what the pipeline gets to read about a refused record: never its
// content.
func (o *output) rejection(r *kgo.Record, err error) error {
	if !errors.Is(err, kerr.MessageTooLarge) {
		return &event.Rejection{Reason: event.ReasonOther, Message: "topic " + o.topic + ": " + err.Error()}
	}
	return &event.Rejection{Reason: event.ReasonRange, Message: fmt.Sprintf(
		"record of %d bytes: topic %s takes %d at most (max.message.bytes)", len(r.Key)+len(r.Value), o.topic, o.limit.Load())}
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

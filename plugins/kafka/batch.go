package kafka

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"clickstream/internal/event"
	"clickstream/internal/pack"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a record costs in memory beyond its key and value while it is in the pipeline.
const (
	// messageOverhead: franz-go's record, Benthos' message and its copies (measured 350
	// to 450 bytes with one output and no processors).
	messageOverhead = 512
	// packedOverhead: a row of a flat, and the slack of buffers that grew.
	packedOverhead = 2 * flatRowBytes
)

// A batch that the output refused is delivered again after minAgain, doubled each
// time up to maxAgain.
const (
	minAgain = 100 * time.Millisecond
	maxAgain = 10 * time.Second
)

// batch is a run of consecutive records of one partition, or what is left of it. It
// keeps them until they have their answer, to deliver them once more: as franz-go made
// them if they travel as a message each, else flat.
type batch struct {
	part    *partition
	span    *span
	records []*kgo.Record
	flat    *flat
	bytes   int64 // what it counts for in max_in_flight_bytes
	tries   int
}

// cutter cuts one partition's fetched records into batches.
type cutter struct {
	session *session
	part    *partition
	records []*kgo.Record
}

// next returns the next batch, or nil when the records are used up. A batch that is
// not packed keeps the keys and values where franz-go put them.
func (c *cutter) next() *batch {
	if len(c.records) == 0 {
		return nil
	}
	// Evenly: what is left would be a small batch in the memory of a large one.
	batches := 1 + (len(c.records)-1)/c.session.config.batchRecords
	cut := 1 + (len(c.records)-1)/batches
	first, last := c.records[0], c.records[cut-1]
	b := &batch{part: c.part, records: c.session.wanted(c.records[:cut:cut])}
	c.records = c.records[cut:]
	n := len(b.records)
	if n == 0 {
		c.part.offsets.Skip(first.Offset, last.Offset+1, last.LeaderEpoch)
		return c.next()
	}
	for _, r := range b.records {
		b.bytes += int64(len(r.Key) + len(r.Value))
	}
	b.span = c.part.offsets.Add(first.Offset, last.Offset+1, last.LeaderEpoch, n, first.Timestamp.UnixMilli())
	c.session.recordBytes = b.bytes/int64(n) + c.session.overhead()
	if c.session.packs() {
		b.flat, b.records = flatten(b.records, int(b.bytes)), nil
	}
	c.session.stats.records.Incr(int64(n))
	c.session.stats.bytes.Incr(b.bytes)
	c.session.totals.consume(c.part.id, n)
	b.bytes += int64(n) * c.session.overhead()
	c.session.inFlight.Add(b.bytes)
	return b
}

// wanted leaves out the marks that transactions end with, which are asked for only
// because they have offsets: a log that ends in one would never be read to its end. And
// it leaves out tombstones, if they are to be passed over.
func (s *session) wanted(records []*kgo.Record) []*kgo.Record {
	unwanted := func(r *kgo.Record) bool {
		return r.Attrs.IsControl() || r.Value == nil && s.config.skipTombstones
	}
	if !slices.ContainsFunc(records, unwanted) {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), unwanted)
}

// overhead is what each record counts for beyond its bytes.
func (s *session) overhead() int64 {
	if s.packs() {
		return packedOverhead
	}
	return messageOverhead
}

// packs reports whether batches travel as one message.
func (s *session) packs() bool { return pack.Allowed() && !s.config.metadata.any }

// release gives the batch's room back, and its memory if no message can point to it.
func (s *session) release(b *batch) {
	if b.flat != nil {
		flats.Put(b.flat)
		b.flat = nil
	}
	s.inFlight.Add(-b.bytes)
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// delivery is one attempt at a batch.
type delivery struct {
	session  *session
	batch    *batch
	pack     *pack.Pack // nil: a message for each record
	attempt  int
	contexts []event.Record // of the batch's records; nil of a pack, which no processor sees
	done     atomic.Bool
}

func (d *delivery) open() bool { return !d.done.Load() }

// deliver makes b's messages and the function that takes their answer. It returns
// nil messages if b may not be delivered any more.
func (s *session) deliver(b *batch) (service.MessageBatch, service.AckFunc) {
	attempt, ok := b.part.offsets.Deliver(b.span)
	if !ok {
		s.release(b)
		return nil, nil
	}
	d := &delivery{session: s, batch: b, attempt: attempt}
	s.last.Store(d)
	if b.flat != nil {
		d.pack = pack.New(&reader{flat: b.flat, source: b.part.source})
		return service.MessageBatch{d.pack.Message()}, d.answer
	}
	messages := make(service.MessageBatch, len(b.records))
	contexts := make([]event.Record, len(b.records))
	for i, r := range b.records {
		contexts[i].Context, contexts[i].Keyed = context.Background(), true
		contexts[i].Coordinate = event.Coordinate{Source: b.part.source, Offset: r.Offset, Time: r.Timestamp, Key: r.Key}
		messages[i] = service.NewMessageWithContext(&contexts[i], r.Value)
		messages[i].MetaSetMut(event.RecordKey, &contexts[i])
		if s.config.metadata.any {
			s.config.metadata.set(messages[i], r)
		}
	}
	d.contexts = contexts
	return messages, d.answer
}

// answer is the batch's AckFunc. Benthos may call it from any goroutine, in any
// order, and more than once.
func (d *delivery) answer(_ context.Context, err error) error {
	s, b := d.session, d.batch
	d.done.Store(true)
	if err == nil {
		b.part.dropped.note(s.droppedBy(b.part), d.unreached(nil))
		if b.part.offsets.Ack(b.span, d.attempt) {
			s.release(b)
		}
		return nil
	}
	switch b.part.offsets.Nack(b.span, d.attempt) {
	case nackAgain:
		next := &batch{part: b.part, span: b.span, bytes: b.bytes, tries: b.tries + 1}
		if b.flat != nil {
			next.flat = d.refused()
			s.stats.redeliveries.Incr(int64(len(next.flat.rows)))
		} else {
			next.records = d.failed(err)
			b.part.dropped.note(s.droppedBy(b.part), d.unreached(next.records))
			s.stats.redeliveries.Incr(int64(len(next.records)))
		}
		d.again(next)
	case nackDropped:
		s.release(b)
	}
	return nil
}

// again queues what failed, after a pause that is this batch's own: the others of
// its partition, and of other partitions, go on.
func (d *delivery) again(next *batch) {
	pause := min(minAgain<<min(d.batch.tries, 10), maxAgain)
	time.AfterFunc(pause, func() { d.session.queue.PushAgain(next) })
}

// failed returns the records that err says failed, all of them if it does not say.
func (d *delivery) failed(err error) []*kgo.Record {
	all := d.batch.records
	var parts *service.BatchError
	if !errors.As(err, &parts) || parts.IndexedErrors() == 0 {
		return all
	}
	seen := make(map[int]bool, parts.IndexedErrors())
	lostTrack := false
	//nolint:staticcheck // WalkMessagesIndexedBy wants an index that costs an allocation per event; each message carries its record
	parts.WalkMessages(func(_ int, m *service.Message, err error) bool {
		if err == nil {
			return true
		}
		i := d.indexOf(m)
		if i < 0 {
			lostTrack = true
			return false
		}
		seen[i] = true
		return true
	})
	if lostTrack || len(seen) == 0 {
		return all
	}
	left := make([]*kgo.Record, 0, len(seen))
	for i, r := range all {
		if seen[i] {
			left = append(left, r)
		}
	}
	return left
}

// refused returns the records that an output refused: the others are stored, whatever
// failed afterwards. All of them if it said nothing.
func (d *delivery) refused() *flat {
	if len(d.pack.Refused()) == 0 {
		return d.batch.flat
	}
	var indexes []int
	for _, r := range d.pack.Refused() {
		indexes = append(indexes, r.Index)
	}
	slices.Sort(indexes)
	return d.batch.flat.keep(indexes)
}

// indexOf finds the record that a message was made of by the coordinate it carries; -1 if it carries none of this batch's.
func (d *delivery) indexOf(m *service.Message) int {
	c := event.CoordinateOf(m)
	if c == nil || c.Source != d.batch.part.source {
		return -1
	}
	i, found := slices.BinarySearchFunc(d.batch.records, c.Offset, func(r *kgo.Record, offset int64) int {
		return cmp.Compare(r.Offset, offset)
	})
	if !found {
		return -1
	}
	return i
}

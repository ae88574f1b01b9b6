package kafka

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recordOverhead is what a record costs in memory beyond its key and value while
// it is in the pipeline: our row, Benthos' message and its copies (measured 350 to
// 450 bytes with one output and no processors).
const recordOverhead = 512

// A batch that the output refused is delivered again after minAgain, doubled each
// time up to maxAgain.
const (
	minAgain = 100 * time.Millisecond
	maxAgain = 10 * time.Second
)

// row is one record on its way: the context that its message carries, and what is
// needed to make the message once more.
type row struct {
	event.Record
	value   []byte
	headers []kgo.RecordHeader // only if metadata wants them
}

// batch is a run of consecutive records of one partition, or what is left of it.
type batch struct {
	part  *partition
	span  *span
	rows  []row
	bytes int64 // what it counts for in max_in_flight_bytes
	tries int
}

// cutter cuts one partition's fetched records into batches.
type cutter struct {
	session *session
	part    *partition
	records []*kgo.Record
}

// next returns the next batch, or nil when the records are used up. franz-go makes
// new buffers for each fetch, so keys and values may be kept.
func (c *cutter) next() *batch {
	n := min(len(c.records), c.session.config.batchRecords)
	if n == 0 {
		return nil
	}
	b := &batch{part: c.part, rows: make([]row, n)}
	for i, r := range c.records[:n] {
		to := &b.rows[i]
		to.Record = event.Record{Context: context.Background(), Coordinate: event.Coordinate{
			Source: c.part.source, Offset: r.Offset, Time: r.Timestamp, Key: r.Key,
		}}
		to.value = r.Value
		if c.session.config.metadata.headers {
			to.headers = r.Headers
		}
		b.bytes += int64(len(r.Key) + len(r.Value))
	}
	c.session.stats.records.Incr(int64(n))
	c.session.stats.bytes.Incr(b.bytes)
	c.session.totals.consume(c.part.id, n)
	b.bytes += int64(n) * recordOverhead
	c.session.inFlight.Add(b.bytes)
	last := c.records[n-1]
	b.span = c.part.offsets.Add(c.records[0].Offset, last.Offset+1, last.LeaderEpoch, n, c.records[0].Timestamp.UnixMilli())
	c.records = c.records[n:]
	return b
}

// release gives the batch's room back.
func (s *session) release(b *batch) {
	s.inFlight.Add(-b.bytes)
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// delivery is one attempt at a batch.
type delivery struct {
	session *session
	batch   *batch
	attempt int
	done    atomic.Bool
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
	messages := make(service.MessageBatch, len(b.rows))
	for i := range b.rows {
		r := &b.rows[i]
		messages[i] = service.NewMessageWithContext(&r.Record, r.value)
	}
	if s.config.metadata.any {
		for i := range b.rows {
			s.config.metadata.set(messages[i], &b.rows[i])
		}
	}
	return messages, d.answer
}

// answer is the batch's AckFunc. Benthos may call it from any goroutine, in any
// order, and more than once.
func (d *delivery) answer(_ context.Context, err error) error {
	s, b := d.session, d.batch
	d.done.Store(true)
	if err == nil {
		if b.part.offsets.Ack(b.span, d.attempt) {
			s.release(b)
		}
		return nil
	}
	switch b.part.offsets.Nack(b.span, d.attempt) {
	case nackAgain:
		d.again(d.failed(err))
	case nackDropped:
		s.release(b)
	}
	return nil
}

// again queues what failed, after a pause that is this batch's own: the others of
// its partition, and of other partitions, go on.
func (d *delivery) again(left []row) {
	s, b := d.session, d.batch
	next := &batch{part: b.part, span: b.span, rows: left, bytes: b.bytes, tries: b.tries + 1}
	s.stats.redeliveries.Incr(int64(len(left)))
	pause := min(minAgain<<min(b.tries, 10), maxAgain)
	time.AfterFunc(pause, func() { s.queue.PushAgain(next) })
}

// failed returns the rows that err says failed, all of them if it does not say.
func (d *delivery) failed(err error) []row {
	var parts *service.BatchError
	if !errors.As(err, &parts) || parts.IndexedErrors() == 0 {
		return d.batch.rows
	}
	rows := d.batch.rows
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
	if lostTrack || len(seen) == 0 || len(seen) == len(rows) {
		return rows
	}
	left := make([]row, 0, len(seen))
	for i := range rows {
		if seen[i] {
			left = append(left, rows[i])
		}
	}
	return left
}

// indexOf finds the row that a message was made of by the coordinate it carries,
// which processors keep; -1 if it carries none of this batch's.
func (d *delivery) indexOf(m *service.Message) int {
	c := event.CoordinateOf(m.Context())
	if c == nil || c.Source != d.batch.part.source {
		return -1
	}
	i, found := slices.BinarySearchFunc(d.batch.rows, c.Offset, func(r row, offset int64) int {
		return cmp.Compare(r.Offset, offset)
	})
	if !found {
		return -1
	}
	return i
}

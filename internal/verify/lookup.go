package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/internal/topic"
)

const (
	// fetchBytes is what one look asks for: a few ten thousand records, so that many
	// small ranges near each other cost one request.
	fetchBytes = 4 << 20
	// fetchTries is how often a leader that moved or hung up is asked again.
	fetchTries = 5
)

// lookup tells records from holes in the log. It asks by plain fetch requests, not as
// a consumer: the answer tells how far the log was read, so an offset without a record
// is one, and not a record that is late.
type lookup struct {
	*topicLog
	until time.Time
	bytes int32             // what one look asks for; 0 is fetchBytes
	each  func(*kgo.Record) // hears of every record of an answer, and keeps none; nil: nobody

	leaders map[int32]int32 // by partition; asked for anew after an error
	memory  topic.Pools     // of an answer's records

	// The last answer: the records at [from, next) of partition have these offsets.
	partition  int32
	from, next int64
	records    []int64
}

// errDeleted says that the log's start has passed an offset since the snapshot.
var errDeleted = errors.New("offset was deleted meanwhile")

// errNoTime says that the time for lookups is over.
var errNoTime = errors.New("no time left")

// find returns the offsets of first to last of a partition where the log holds a
// record, for as many as one answer tells of: below upTo.
func (l *lookup) find(ctx context.Context, partition int32, first, last int64) (records []int64, upTo int64, err error) {
	if partition != l.partition || first < l.from || first >= l.next {
		if time.Now().After(l.until) {
			return nil, first, errNoTime
		}
		if err := l.fetch(ctx, partition, first); err != nil {
			return nil, first, err
		}
	}
	upTo = min(last+1, l.next)
	i, _ := slices.BinarySearch(l.records, first)
	j, _ := slices.BinarySearch(l.records, upTo)
	return l.records[i:j], upTo, nil
}

// fetch reads from an offset on, from whoever leads the partition.
func (l *lookup) fetch(ctx context.Context, partition int32, offset int64) (err error) {
	for try := range fetchTries {
		if try > 0 {
			l.leaders = nil
			if err := pause(ctx, time.Duration(try)*200*time.Millisecond); err != nil {
				return err
			}
		}
		err = l.ask(ctx, partition, offset)
		if errors.Is(err, kerr.OffsetOutOfRange) && l.deleted(ctx, partition, offset) {
			return errDeleted
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("kafka: topic %q: read partition %d at offset %d: %w", l.name, partition, offset, err)
	}
	return nil
}

// deleted reports whether the log begins above offset by now.
func (l *lookup) deleted(ctx context.Context, partition int32, offset int64) bool {
	starts, err := listed(l.admin.ListStartOffsets(ctx, l.name))
	start, ok := starts.Lookup(l.name, partition)
	return err == nil && ok && offset < start.Offset
}

func (l *lookup) ask(ctx context.Context, partition int32, offset int64) error {
	leader, err := l.leader(ctx, partition)
	if err != nil {
		return err
	}
	response, err := l.client.Broker(int(leader)).RetriableRequest(ctx, l.request(partition, offset))
	if err != nil {
		return err
	}
	fetched := response.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		return err
	}
	if len(fetched.Topics) != 1 || len(fetched.Topics[0].Partitions) != 1 {
		return fmt.Errorf("want an answer for one partition, got %d topics", len(fetched.Topics))
	}
	return l.keep(&fetched.Topics[0].Partitions[0], offset)
}

func (l *lookup) leader(ctx context.Context, partition int32) (int32, error) {
	if l.leaders == nil {
		m, err := l.admin.Metadata(ctx, l.name)
		if err != nil {
			return 0, err
		}
		l.leaders = map[int32]int32{}
		for _, p := range m.Topics[l.name].Partitions {
			l.leaders[p.Partition] = p.Leader
		}
	}
	return l.leaders[partition], nil
}

func (l *lookup) request(partition int32, offset int64) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	most := cmp.Or(l.bytes, fetchBytes)
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 1000, 1, most
	request.IsolationLevel = 1 // as the consumer reads: a record of an aborted transaction is none
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = l.name, l.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, most
	topic.Partitions = append(topic.Partitions, p)
	request.Topics = append(request.Topics, topic)
	return request
}

// keep notes an answer.
func (l *lookup) keep(answer *kmsg.FetchResponseTopicPartition, offset int64) error {
	options := kgo.ProcessFetchPartitionOpts{
		Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: l.name, Partition: answer.Partition,
		Pools: []kgo.Pool{&l.memory},
	}
	read, next := kgo.ProcessFetchPartition(options, answer, topic.NewDecompressor(&l.memory), nil)
	switch {
	case read.Err != nil:
		return read.Err
	case next <= offset:
		return fmt.Errorf("want records, got none (the log ends at %d)", read.HighWatermark)
	}
	l.partition, l.from, l.next, l.records = answer.Partition, offset, next, l.records[:0]
	for _, r := range read.Records {
		if r.Value != nil { // a tombstone may be passed over
			l.records = append(l.records, r.Offset)
		}
		if l.each != nil {
			l.each(r)
		}
		r.Recycle()
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

package deadletters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// fetchBytes is what one request asks for.
	fetchBytes = 4 << 20
	// fetchTries is how often a leader that moved or hung up is asked again.
	fetchTries = 5
)

var errAbsent = errors.New("does not exist")

// topicLog reads a topic from its start to where it ended when it was opened. It asks
// by plain fetch requests: their answers tell how far the log was read, so that marks
// of transactions at the end are not waited for.
type topicLog struct {
	client *kgo.Client
	admin  *kadm.Client
	name   string
	topic  kadm.TopicDetail
	ranges []offsets
	raw    bool // read all there is: of open transactions too, and their ends
}

// offsets are those of one partition that can be read: [start, end).
type offsets struct{ start, end int64 }

func openLog(ctx context.Context, client *kgo.Client, name string) (*topicLog, error) {
	l := &topicLog{client: client, admin: kadm.NewClient(client), name: name}
	if err := l.refresh(ctx); err != nil {
		return nil, err
	}
	starts, err := listed(l.admin.ListStartOffsets(ctx, name))
	if err != nil {
		return nil, l.explain("start", err)
	}
	ends, err := listed(l.admin.ListCommittedOffsets(ctx, name))
	if err != nil {
		return nil, l.explain("end", err)
	}
	l.ranges = make([]offsets, len(l.topic.Partitions))
	for i := range l.ranges {
		start, _ := starts.Lookup(name, int32(i))
		end, _ := ends.Lookup(name, int32(i))
		l.ranges[i] = offsets{start.Offset, end.Offset}
	}
	return l, nil
}

func listed(o kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = o.Error()
	}
	return o, err
}

// refresh learns who leads the partitions.
func (l *topicLog) refresh(ctx context.Context) error {
	m, err := l.admin.Metadata(ctx, l.name)
	if err == nil {
		l.topic = m.Topics[l.name]
		err = l.topic.Err
	}
	if err != nil {
		return l.explain("topic", err)
	}
	return nil
}

// each calls f for every committed record, partition by partition, in order.
func (l *topicLog) each(ctx context.Context, f func(*kgo.Record) error) error {
	for p, r := range l.ranges {
		for at := r.start; at < r.end; {
			records, next, err := l.fetch(ctx, int32(p), at)
			if err != nil {
				return err
			}
			for _, record := range records {
				if record.Offset >= r.end {
					break
				}
				if err := f(record); err != nil {
					return err
				}
			}
			at = next
		}
	}
	return nil
}

// fetch reads some records from an offset on; next is the offset that follows them.
func (l *topicLog) fetch(ctx context.Context, partition int32, offset int64) (records []*kgo.Record, next int64, err error) {
	for try := range fetchTries {
		if try > 0 {
			if err := pause(ctx, time.Duration(try)*200*time.Millisecond); err != nil {
				return nil, 0, err
			}
			if err := l.refresh(ctx); err != nil {
				continue
			}
		}
		records, next, err = l.ask(ctx, partition, offset)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			starts, _ := listed(l.admin.ListStartOffsets(ctx, l.name))
			if start, ok := starts.Lookup(l.name, partition); ok && start.Offset > offset {
				return nil, start.Offset, nil // deleted meanwhile
			}
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, 0, l.explain(fmt.Sprintf("partition %d at offset %d", partition, offset), err)
	}
	return records, next, nil
}

func (l *topicLog) ask(ctx context.Context, partition int32, offset int64) ([]*kgo.Record, int64, error) {
	response, err := l.client.Broker(int(l.topic.Partitions[partition].Leader)).RetriableRequest(ctx, l.request(partition, offset))
	if err != nil {
		return nil, 0, err
	}
	fetched := response.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		return nil, 0, err
	}
	if len(fetched.Topics) != 1 || len(fetched.Topics[0].Partitions) != 1 {
		return nil, 0, fmt.Errorf("want an answer for one partition, got %d topics", len(fetched.Topics))
	}
	options := kgo.ProcessFetchPartitionOpts{
		Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: l.name, Partition: partition,
	}
	if l.raw {
		options.IsolationLevel, options.KeepControlRecords = kgo.ReadUncommitted(), true
	}
	read, next := kgo.ProcessFetchPartition(options, &fetched.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	switch {
	case read.Err != nil:
		return nil, 0, read.Err
	case next <= offset:
		return nil, 0, fmt.Errorf("want records, got none (the log ends at %d)", read.HighWatermark)
	}
	return read.Records, next, nil
}

func (l *topicLog) request(partition int32, offset int64) *kmsg.FetchRequest {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis, request.MinBytes, request.MaxBytes = 1000, 1, fetchBytes
	if !l.raw {
		request.IsolationLevel = 1 // committed records only
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = l.name, l.topic.ID
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, fetchBytes
	topic.Partitions = append(topic.Partitions, p)
	request.Topics = append(request.Topics, topic)
	return request
}

// explain adds the next step where a person can help.
func (l *topicLog) explain(what string, err error) error {
	next := ""
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("kafka: topic %q %w: check --dead-letters-topic, or create it with `clickstream init`", l.name, errAbsent)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		next = "; grant the user READ and DESCRIBE on the topic"
	}
	return fmt.Errorf("kafka: topic %q: %s: %w%s", l.name, what, err, next)
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

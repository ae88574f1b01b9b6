package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
)

// topicLog is the topic as Kafka has it.
type topicLog struct {
	client *kgo.Client
	admin  *kadm.Client
	name   string
	id     kadm.TopicID
	stream uint64
	count  int // partitions
}

// logRange is one partition: the log holds [start, end), the group has read up to
// committed, which is -1 if it has committed nothing.
type logRange struct{ start, end, committed int64 }

func openLog(ctx context.Context, client *kgo.Client, topic string) (*topicLog, error) {
	l := &topicLog{client: client, admin: kadm.NewClient(client), name: topic}
	m, err := l.admin.Metadata(ctx, topic)
	if err != nil {
		return nil, l.explain("topic", err)
	}
	t := m.Topics[topic]
	if t.Err != nil {
		return nil, l.explain("topic", t.Err)
	}
	l.id, l.count = t.ID, len(t.Partitions)
	l.stream = event.Stream(m.Cluster, t.ID)
	return l, nil
}

// ranges asks for all partitions: commits first, so that no end lies below one.
func (l *topicLog) ranges(ctx context.Context, group string) ([]logRange, error) {
	commits, err := l.admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // that one has committed nothing
		return nil, l.explain(fmt.Sprintf("offsets of group %q", group), err)
	}
	starts, err := listed(l.admin.ListStartOffsets(ctx, l.name))
	if err != nil {
		return nil, l.explain("start", err)
	}
	ends, err := listed(l.admin.ListEndOffsets(ctx, l.name))
	if err != nil {
		return nil, l.explain("end", err)
	}
	ranges := make([]logRange, l.count)
	for i := range ranges {
		p := int32(i)
		start, _ := starts.Lookup(l.name, p)
		end, _ := ends.Lookup(l.name, p)
		ranges[i] = logRange{start.Offset, end.Offset, -1}
		if c, ok := commits.Lookup(l.name, p); ok && c.Err == nil && !event.TagOfAnother(c.Metadata, l.stream) {
			ranges[i].committed = c.At
		}
	}
	return ranges, nil
}

// since returns the offset of the first record of each partition that is not older
// than t; the end where all are.
func (l *topicLog) since(ctx context.Context, t time.Time) ([]int64, error) {
	found, err := listed(l.admin.ListOffsetsAfterMilli(ctx, t.UnixMilli(), l.name))
	if err != nil {
		return nil, l.explain("offsets by time", err)
	}
	offsets := make([]int64, l.count)
	for i := range offsets {
		o, _ := found.Lookup(l.name, int32(i))
		offsets[i] = o.Offset
	}
	return offsets, nil
}

func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err == nil {
		err = offsets.Error()
	}
	return offsets, err
}

// explain adds the next step where a person can help.
func (l *topicLog) explain(what string, err error) error {
	next := ""
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("kafka: topic %q does not exist: check --topic, or create it with `clickstream init`", l.name)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		next = "; grant the user READ and DESCRIBE on the topic"
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		next = "; grant the user DESCRIBE on the group"
	}
	return fmt.Errorf("kafka: topic %q: %s: %w%s", l.name, what, err, next)
}

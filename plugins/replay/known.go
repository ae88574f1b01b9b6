package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
)

// topic is the topic that the rows go to, read back to find those it has.
type topic struct {
	name   string
	opts   []kgo.Opt
	client *kgo.Client
	admin  *kadm.Client
	settle time.Duration
}

// askTimeout bounds one question to the cluster.
const askTimeout = 10 * time.Second

func (t *topic) id(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	topics, err := t.admin.ListTopics(ctx, t.name)
	if err != nil {
		return "", err
	}
	if err := topics[t.name].Err; errors.Is(err, kerr.UnknownTopicOrPartition) {
		return "", fmt.Errorf("topic %q does not exist: `clickstream init` creates it", t.name)
	} else if err != nil {
		return "", fmt.Errorf("topic %q: %w", t.name, err)
	}
	return topics[t.name].ID.String(), nil
}

func (t *topic) begins(ctx context.Context) (map[int32]int64, error) {
	return t.offsets(ctx, t.admin.ListStartOffsets)
}

func (t *topic) ends(ctx context.Context) (map[int32]int64, error) {
	return t.offsets(ctx, t.admin.ListEndOffsets)
}

func (t *topic) offsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	listed, err := list(ctx, t.name)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of topic %q: %w", t.name, err)
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	if len(out) == 0 {
		return nil, fmt.Errorf("topic %q: no partition answers", t.name)
	}
	return out, nil
}

// settled returns the topic's ends after the settle time: what a killed replay had sent
// has then arrived, or never will.
func (t *topic) settled(ctx context.Context) (map[int32]int64, error) {
	timer := time.NewTimer(t.settle)
	defer timer.Stop()
	select {
	case <-timer.C:
		return t.ends(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errTrimmed says that the topic has lost records that would have to be looked at.
var errTrimmed = errors.New("the topic no longer has the records behind the marker, so nobody can tell which rows of a killed replay it had")

// span clips from to what the topic has; whole says that it may be clipped at all.
func (t *topic) span(ctx context.Context, from map[int32]int64, whole bool) (map[int32]int64, error) {
	begins, err := t.begins(ctx)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(begins)
	for p, offset := range from {
		if offset < begins[p] && !whole {
			return nil, errTrimmed
		}
		out[p] = max(offset, begins[p])
	}
	return out, nil
}

// read gives each record from one offset to another of each partition.
func (t *topic) read(ctx context.Context, from, to map[int32]int64, each func([]byte)) error {
	offsets, left := map[int32]kgo.Offset{}, map[int32]bool{}
	for p, end := range to {
		if from[p] < end {
			offsets[p], left[p] = kgo.NewOffset().At(from[p]), true
		}
	}
	if len(left) == 0 {
		return nil
	}
	reader, err := kgo.NewClient(append(t.opts[:len(t.opts):len(t.opts)],
		kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.name: offsets}))...)
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read topic %q back: %w", t.name, err)
		}
		var failed error
		fetches.EachError(func(_ string, p int32, err error) {
			failed = fmt.Errorf("read topic %q back, partition %d: %w", t.name, p, err)
		})
		if failed != nil {
			return failed
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset >= to[r.Partition]-1 { // beyond it if a log has no record there
				delete(left, r.Partition)
			}
			if r.Offset < to[r.Partition] && !r.Attrs.IsControl() {
				each(r.Value)
			}
		})
	}
	return nil
}

// known are rows that the topic has.
type known struct {
	ids map[[16]byte]struct{}
	// left is how many rows further they may lie; rows beyond cannot have been sent.
	left int64
}

// gather returns a function that takes the records read back and keeps the ids of these
// files' rows.
func (k *known) gather(run string, files []file) func([]byte) {
	tags := map[tag]bool{}
	for _, f := range files {
		tags[tagOf(run, f.Name)] = true
	}
	return func(value []byte) {
		text, _ := event.Lookup(value, "event_id")
		if id, ok := event.ParseUUID(text); ok && id[6]>>4 == idVersion && tags[tag(id[:len(tag{})])] {
			k.ids[id] = struct{}{}
		}
	}
}

// take reports whether the topic has a row that the replay has come to.
func (k *known) take(id [16]byte) bool {
	if k.ids == nil {
		return false
	}
	_, found := k.ids[id]
	delete(k.ids, id)
	if k.left--; k.left <= 0 || len(k.ids) == 0 {
		k.ids = nil
	}
	return found
}

package kafka

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

// firstPartition is the one whose owner speaks for all in the group's first moment.
const firstPartition = 0

// firstWait is how long the other members wait for that, and firstPause how long between
// two looks. It is over when the owner has joined, asked for the ends and committed.
const (
	firstWait  = 10 * time.Second
	firstPause = 100 * time.Millisecond
)

// begin gives an offset to the partitions for which the group has committed none, with
// `start: latest`: where each log ended in the group's first moment, and its start for
// a partition that appeared later, so that what came between is not passed over. What
// it gives is committed before anything is read: a restart goes on there.
func (s *session) begin(ctx context.Context, starts map[int32]kgo.Offset) error {
	if !s.config.latest || len(uncommitted(starts)) == 0 {
		return nil
	}
	commits, err := s.firstCommits(ctx, starts)
	if err != nil {
		return err
	}
	logStarts, err := kadm.NewClient(s.cl).ListStartOffsets(ctx, s.topic)
	if err != nil {
		return fmt.Errorf("start of the log of topic %s: %w", s.topic, err)
	}
	positions := map[int32]kgo.EpochOffset{}
	for _, id := range uncommitted(starts) {
		if c, ok := commits[id]; ok {
			starts[id] = kgo.NewOffset().At(c.At).WithEpoch(c.LeaderEpoch)
			continue
		}
		start, ok := logStarts.Lookup(s.topic, id)
		if !ok {
			return fmt.Errorf("start of the log of topic %s: the brokers do not tell of partition %d yet", s.topic, id)
		}
		if start.Err != nil {
			return fmt.Errorf("start of the log of topic %s, partition %d: %w", s.topic, id, start.Err)
		}
		positions[id] = kgo.EpochOffset{Epoch: start.LeaderEpoch, Offset: start.Offset}
		starts[id] = kgo.NewOffset().At(start.Offset)
	}
	return s.commitStarts(ctx, positions)
}

// uncommitted are the partitions that begin at an end of their log.
func uncommitted(starts map[int32]kgo.Offset) (ids []int32) {
	for id, start := range starts {
		if start.EpochOffset().Offset < 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// firstCommits returns the group's commits. If it has none, this is its first moment: who
// owns the first partition commits the ends of all, and the others wait for that. A
// commit that each made for its own could not be told from a later partition's.
func (s *session) firstCommits(ctx context.Context, starts map[int32]kgo.Offset) (map[int32]kadm.Offset, error) {
	_, mine := starts[firstPartition]
	late := time.NewTimer(firstWait)
	defer late.Stop()
	for {
		commits, begun, err := s.commits(ctx)
		if err != nil || begun {
			return commits, err
		}
		if mine {
			return s.commitEnds(ctx, func(int32) bool { return true })
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			s.log.Warn("the owner of partition 0 has committed no offset: going on from the ends of this member's partitions", "group", s.config.group.name)
			return s.commitEnds(ctx, func(id int32) bool { _, own := starts[id]; return own })
		case <-time.After(firstPause):
		}
	}
}

// commits are the group's for this topic, by partition. It may have had some for an
// earlier topic of this name only, and then begun is true, too.
func (s *session) commits(ctx context.Context) (commits map[int32]kadm.Offset, begun bool, err error) {
	fetched, err := kadm.NewClient(s.cl).FetchOffsets(ctx, s.config.group.name)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, false, fmt.Errorf("offsets of group %s: %w", s.config.group.name, err)
	}
	commits = map[int32]kadm.Offset{}
	for id, c := range fetched[s.topic] {
		if c.Err != nil { // it may have begun
			return nil, false, fmt.Errorf("offset of group %s in partition %d: %w", s.config.group.name, id, c.Err)
		}
		if c.At < 0 {
			continue
		}
		begun = true
		if !s.foreignTag(&c.Metadata) {
			commits[id] = c.Offset
		}
	}
	return commits, begun, nil
}

// commitEnds commits where the logs of these partitions end for who reads what is
// committed.
func (s *session) commitEnds(ctx context.Context, which func(int32) bool) (map[int32]kadm.Offset, error) {
	ends, err := kadm.NewClient(s.cl).ListCommittedOffsets(ctx, s.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of the logs of topic %s: %w", s.topic, err)
	}
	positions, commits := map[int32]kgo.EpochOffset{}, map[int32]kadm.Offset{}
	ends.Each(func(end kadm.ListedOffset) {
		if !which(end.Partition) {
			return
		}
		positions[end.Partition] = kgo.EpochOffset{Epoch: end.LeaderEpoch, Offset: end.Offset}
		commits[end.Partition] = kadm.Offset{Topic: s.topic, Partition: end.Partition, At: end.Offset, LeaderEpoch: end.LeaderEpoch}
	})
	return commits, s.commitStarts(ctx, positions)
}

// commitStarts commits offsets of partitions that nobody has begun to read.
func (s *session) commitStarts(ctx context.Context, positions map[int32]kgo.EpochOffset) (failed error) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	ctx = kgo.PreCommitFnContext(ctx, s.stampTag)
	s.cl.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{s.topic: positions},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			failed = commitFailure(resp, err, func(int32) {})
		})
	if failed != nil {
		return fmt.Errorf("commit of where group %s begins: %w", s.config.group.name, failed)
	}
	return nil
}

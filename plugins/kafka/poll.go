package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clickstream/internal/process"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// pollPause is the wait after a poll that brought an error: some errors come back
// at once, 20,000 times a second.
const pollPause = 250 * time.Millisecond

// poll moves records from the client into the queue. While max_in_flight_bytes are
// held it does not ask for more, and franz-go fetches no more than it has buffered.
func (s *session) poll() {
	for s.awaitRoom() {
		trouble := false
		s.gate.Poll(s.ctx, func(ctx context.Context) {
			trouble = s.take(s.cl.PollRecords(ctx, s.roomFor()))
		})
		if trouble && !sleep(s.ctx, pollPause) {
			return
		}
	}
}

// awaitRoom waits until there is room for more, and returns false when the session
// ends.
func (s *session) awaitRoom() bool {
	for s.inFlight.Load() >= s.config.inFlightBytes {
		select {
		case <-s.room:
		case <-s.broken:
			return false
		case <-s.ctx.Done():
			return false
		}
	}
	select {
	case <-s.broken:
		return false
	default:
		return s.ctx.Err() == nil
	}
}

// leastPoll is how many records a poll takes at least: fewer would be polls for
// nothing while the limit is nearly reached.
const leastPoll = 1000

// roomFor returns how many records of the size seen so far fit into what is left
// of max_in_flight_bytes. What a fetch brought beyond that stays with franz-go,
// which fetches no more before it is taken.
func (s *session) roomFor() int {
	left := s.config.inFlightBytes - s.inFlight.Load()
	return int(max(leastPoll, left/s.recordBytes))
}

// take puts what was polled into the queue, a batch of each partition in turn, so
// that none of them waits behind the whole backlog of another. It reports whether
// something went wrong.
func (s *session) take(fetches kgo.Fetches) (trouble bool) {
	var cuts []*cutter
	now := time.Now().UnixMilli()
	fetches.EachTopic(func(t kgo.FetchTopic) {
		if t.TopicID != ([16]byte{}) && t.TopicID != s.facts.id {
			s.fail(kerr.UnknownTopicID)
			return
		}
		for i := range t.Partitions {
			fp := &t.Partitions[i]
			p := s.open(fp.Partition)
			if fp.Err != nil {
				trouble = s.pollError(p, fp.Partition, fp.Err) || trouble
			}
			if p != nil && fp.Err == nil {
				p.highWater.Store(fp.HighWatermark)
				p.polled.Store(now)
				s.worked.Store(true)
				if s.checkGap(p, fp) && len(fp.Records) > 0 {
					cuts = append(cuts, &cutter{session: s, part: p, records: fp.Records})
				}
			}
		}
	})
	var batches []*batch
	for more := true; more; {
		more = false
		for _, c := range cuts {
			if b := c.next(); b != nil {
				batches = append(batches, b)
				more = true
			}
		}
	}
	s.queue.Push(batches...)
	return trouble
}

// open returns the partition if it is assigned, else nil: then its records come
// from before a rebalance, and their owner reads them again.
func (s *session) open(id int32) *partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.partitions[id]
}

// checkGap notices that records were deleted before they were read: the log starts
// after the record that should have come. It returns false if the partition's records
// must not be delivered: with on_gap stop nothing after a gap is, so that nothing is
// committed past it before a person has decided.
func (s *session) checkGap(p *partition, fp *kgo.FetchPartition) bool {
	if p.stopped {
		return false
	}
	if len(fp.Records) > 0 && fp.Records[0].Offset < p.expected {
		if !p.again && !s.wentBack(p, fp.Records[0].Offset) {
			return false
		}
		fp.Records = newOnes(fp.Records, p.expected)
	}
	from, to := p.expected, fp.LogStartOffset
	if n := len(fp.Records); n > 0 {
		to = min(to, fp.Records[0].Offset)
		p.expected, p.epoch, p.again = fp.Records[n-1].Offset+1, fp.Records[n-1].LeaderEpoch, false
	} else if from >= 0 {
		p.expected = max(from, fp.LogStartOffset)
	}
	if from < 0 || to <= from {
		return true
	}
	s.gaps.Add(to - from)
	s.stats.gaps.Incr(to - from)
	s.log.log.With("topic", s.topic, "partition", p.id, "from_offset", from, "to_offset", to-1, "records", to-from).
		Error("records were deleted before they were read: the topic's retention is shorter than this group's lag")
	if s.config.stopOnGap {
		p.stopped = true
		process.Fatal(fmt.Errorf("%s: offsets %d to %d of partition %d of topic %s were deleted before they were read: set `on_gap: continue` to go on after them, and give the topic a longer retention",
			s.name(), from, to-1, p.id, s.topic))
	}
	return !p.stopped
}

// pollError handles an error of a fetch, and returns true if the next poll should
// wait a little.
func (s *session) pollError(p *partition, partition int32, err error) bool {
	var loss *kgo.ErrDataLoss
	var group *kgo.ErrGroupSession
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
		return false
	case errors.As(err, &group): // the group hook speaks of it
		return true
	case errors.As(err, &loss):
		if p != nil {
			s.wentBack(p, min(loss.ResetTo, loss.ConsumedTo))
		}
		return true
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.UnknownTopicOrPartition):
		s.fail(err)
		return false
	}
	why, fatal := s.explain(err)
	if fatal {
		s.refused(why)
	}
	s.log.Warn("kafka fetch refused, trying again", "partition", partition, "error", why)
	return true
}

package kafka

import (
	"context"
	"errors"
	"time"

	"clickstream/internal/event"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errAssignmentOver stops a commit on its way out: a partition in it was taken
// away since its position was looked at.
var errAssignmentOver = errors.New("partition no longer assigned")

// errNoMember stops a commit while the client is between two memberships.
var errNoMember = errors.New("not a member of the group at the moment")

// errNothingRead says that a partition has no position yet; one without records has
// none that anybody could take.
var errNothingRead = errors.New("no record was read yet")

// staleAfter is how old a known end of log may get before tend asks for it: it
// comes with every fetch, so that is only while max_in_flight_bytes stop reading.
const staleAfter = 5 * time.Second

// tend commits and measures every commit_interval until the session ends.
func (s *session) tend() {
	tick := time.NewTicker(s.config.commitInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			// Not s.ctx: a commit that is cut short may reach the broker after a later one.
			if err := s.commit(context.Background()); err != nil {
				s.commitError(err)
			}
			s.measure(now)
		}
	}
}

// commitError speaks of a refused commit, unless it is a rebalance's ordinary one
// or the watch speaks already. The next tick tries again, whatever it was.
func (s *session) commitError(err error) {
	switch {
	case s.ctx.Err() != nil, s.log.quiet.Load(), errors.Is(err, errAssignmentOver):
	case errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.StaleMemberEpoch):
	default:
		why, _ := s.explain(err)
		s.log.Warn("offset commit refused, trying again", "group", s.config.group.name, "error", why)
	}
}

// commit commits every position that moved, and returns once the broker answered.
// The broker checks the generation. We check that no partition was given up in
// between, since franz-go stamps the generation of the moment of sending.
func (s *session) commit(ctx context.Context) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	moved, offsets := s.moved()
	if len(moved) == 0 {
		return nil
	}
	return s.send(ctx, moved, offsets)
}

// confirm commits the position of p as it stands, to learn whether the group's current
// generation still gives it to this member. A refusal proves nothing: the member may
// have joined a later generation and kept p. If p is lost the next heartbeat says so,
// and its offsets close.
func (s *session) confirm(ctx context.Context, p *partition) error {
	s.commitMu.Lock() // a commit that is under way ends first
	defer s.commitMu.Unlock()
	if p.offsets.Closed() {
		return event.ErrRevoked
	}
	at, ok := p.offsets.Standing()
	if !ok {
		return errNothingRead
	}
	err := s.send(ctx, map[int32]*partition{p.id: p}, map[int32]kgo.EpochOffset{p.id: {Epoch: at.epoch, Offset: at.offset}})
	if p.offsets.Closed() {
		return event.ErrRevoked
	}
	return err
}

// send commits offsets, whose locks commitMu stands for.
func (s *session) send(ctx context.Context, moved map[int32]*partition, offsets map[int32]kgo.EpochOffset) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := s.noteDropped(ctx, moved); err != nil {
		s.stats.commitErrors.Incr(1)
		return err
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error { return s.stamp(req, moved) })
	var failed error
	s.cl.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{s.topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			failed = s.committed(resp, err, offsets, moved)
		})
	if failed != nil {
		s.stats.commitErrors.Incr(1)
		return failed
	}
	s.stats.commits.Incr(1)
	return nil
}

// moved returns the partitions with something to commit, by number.
func (s *session) moved() (map[int32]*partition, map[int32]kgo.EpochOffset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved, offsets := map[int32]*partition{}, map[int32]kgo.EpochOffset{}
	for id, p := range s.partitions {
		if at, ok := p.offsets.Position(); ok {
			moved[id] = p
			offsets[id] = kgo.EpochOffset{Epoch: at.epoch, Offset: at.offset}
		}
	}
	return moved, offsets
}

// stamp is the last look at a commit before it is sent.
func (s *session) stamp(req *kmsg.OffsetCommitRequest, moved map[int32]*partition) error {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if moved[p.Partition].offsets.Closed() {
				return errAssignmentOver
			}
		}
	}
	return s.stampTag(req)
}

// stampTag says whose records the offsets count.
func (s *session) stampTag(req *kmsg.OffsetCommitRequest) error {
	if req.Generation < 0 { // of nobody: a group without members would take it
		return errNoMember
	}
	tag := s.facts.commitTag()
	for t := range req.Topics {
		for p := range req.Topics[t].Partitions {
			req.Topics[t].Partitions[p].Metadata = &tag
		}
	}
	return nil
}

// committed notes what the broker took and returns the first error.
func (s *session) committed(resp *kmsg.OffsetCommitResponse, err error, offsets map[int32]kgo.EpochOffset, moved map[int32]*partition) error {
	return commitFailure(resp, err, func(id int32) { moved[id].offsets.Committed(offsets[id].Offset) })
}

// commitFailure returns the errors of an answer and calls taken for the partitions
// without one.
func commitFailure(resp *kmsg.OffsetCommitResponse, err error, taken func(id int32)) error {
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if code := kerr.ErrorForCode(p.ErrorCode); code != nil {
				err = errors.Join(err, code)
				continue
			}
			taken(p.Partition)
		}
	}
	return err
}

// measure sets the gauges.
func (s *session) measure(now time.Time) {
	s.mu.Lock()
	parts := make([]*partition, 0, len(s.partitions))
	for _, p := range s.partitions {
		parts = append(parts, p)
	}
	s.mu.Unlock()
	s.refresh(parts, now)
	s.stats.inFlight.Set(s.inFlight.Load())
	for _, p := range parts {
		at, _ := p.offsets.Position()
		behind := int64(0)
		if at.offset >= 0 {
			behind = max(0, p.highWater.Load()-at.offset)
		}
		age := time.Duration(0)
		if born, ok := p.offsets.Oldest(); ok {
			age = max(0, now.Sub(time.UnixMilli(born)))
		}
		p.behind.Store(behind)
		p.age.Store(int64(age))
		s.stats.lag(p, behind, age)
	}
}

// refresh asks for the end of the log where it was not learned for a while, so
// that lag stays honest while nothing is read.
func (s *session) refresh(parts []*partition, now time.Time) {
	stale := false
	for _, p := range parts {
		stale = stale || now.UnixMilli()-p.polled.Load() > staleAfter.Milliseconds()
	}
	if !stale || s.log.quiet.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, probeTimeout)
	defer cancel()
	ends, err := kadm.NewClient(s.cl).ListEndOffsets(ctx, s.topic)
	if err != nil {
		return // the next fetch or the next tick knows
	}
	for _, p := range parts {
		if end, ok := ends.Lookup(s.topic, p.id); ok && end.Err == nil {
			p.highWater.Store(end.Offset)
			p.polled.Store(now.UnixMilli())
		}
	}
}

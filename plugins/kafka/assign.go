package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"clickstream/internal/event"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sourceOf is what every record of an assignment points to.
type sourceOf = *event.Source

// stream identifies the topic for ever.
func (f topicFacts) stream() uint64 { return event.Stream(f.cluster, f.id) }

// commitTag is the metadata of our commits.
func (f topicFacts) commitTag() string { return event.CommitTag(f.stream()) }

// fetched looks at the group's offsets before they are used, and notes those that
// belong to an earlier topic of this name: assigned, which comes next, does not
// see the tags.
func (s *session) fetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	foreign := map[int32]bool{}
	for _, group := range resp.Groups {
		for _, topic := range group.Topics { // ours is the only one
			for _, p := range topic.Partitions {
				foreign[p.Partition] = p.Offset > 0 && s.foreignTag(p.Metadata)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign = foreign
	return nil
}

// foreignTag reports whether a commit's metadata names another topic than ours.
func (s *session) foreignTag(tag *string) bool {
	return tag != nil && event.TagOfAnother(*tag, s.facts.stream())
}

// offsetMap is by topic and partition.
type offsetMap = map[string]map[int32]kgo.Offset

// assigned opens the partitions that the group gave us, before their first fetch, and
// changes starts where the group's offset is of no use.
func (s *session) assigned(ctx context.Context, starts map[int32]kgo.Offset) error {
	s.skipForeign(starts)
	if err := s.begin(ctx, starts); err != nil {
		return err
	}
	lost, err := s.checkTails(ctx, starts)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, start := range starts {
		if old := s.partitions[id]; old != nil {
			old.offsets.Close()
		}
		at := max(start.EpochOffset().Offset, -1) // below zero: the start, the end, none
		p := &partition{id: id, offsets: newOffsets(at), expected: at, epoch: start.EpochOffset().Epoch}
		p.source = &event.Source{
			Topic: s.topic, Stream: s.facts.stream(), Partition: id,
			Session: s.config.group.expiry(),
			Commit:  func(ctx context.Context) error { return s.confirm(ctx, p) },
		}
		if end, ok := lost[id]; ok {
			s.truncated(p, end, at)
			starts[id] = kgo.NewOffset().At(end)
		}
		s.partitions[id] = p
	}
	s.stats.rebalances.Incr(1)
	s.totals.assign()
	return nil
}

// skipForeign lets partitions begin at their start whose offset is another topic's.
func (s *session) skipForeign(starts map[int32]kgo.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, start := range starts {
		if s.foreign[id] {
			s.log.log.With("topic", s.topic, "partition", id, "offset", start.EpochOffset().Offset).
				Warn("the group's offset belongs to a deleted topic of this name: reading the new one from its start")
			starts[id] = kgo.NewOffset().AtStart()
		}
	}
}

// revoked gives partitions up in good order: nothing more goes into the pipeline,
// what is there is waited for and committed, and only then another member gets
// them. franz-go keeps the heartbeats going meanwhile.
func (s *session) revoked(which map[string][]int32) {
	parts := s.pick(which)
	if len(parts) == 0 {
		return
	}
	idle := make([]<-chan struct{}, len(parts))
	s.gate.Interrupt(func() {
		for i, p := range parts {
			idle[i] = p.offsets.Drain()
		}
	})
	s.dropQueued()
	s.await(idle)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.commit(ctx); err != nil && !s.closing.Load() && !errors.Is(err, errAssignmentOver) {
		s.log.Warn("offset commit refused while giving up partitions: the next owner reads some records again", "error", err)
	}
	s.forget(parts)
}

// await waits until every channel is closed, drain_timeout is over, or the session
// closes: then Benthos waits for no more answers either.
func (s *session) await(idle []<-chan struct{}) {
	if s.closing.Load() {
		return
	}
	late := time.NewTimer(s.config.group.drain)
	defer late.Stop()
	for _, ch := range idle {
		select {
		case <-ch:
		case <-s.ctx.Done():
			return
		case <-late.C:
			s.log.Warn("drain_timeout is over before the output acknowledged: the next owner reads those records again",
				"drain_timeout", s.config.group.drain.String())
			return
		}
	}
}

// lost drops partitions that the group has already given to others: a commit would
// be refused, or worse, taken.
func (s *session) lost(which map[string][]int32) {
	parts := s.pick(which)
	for _, p := range parts {
		p.offsets.Close()
	}
	s.gate.Interrupt(func() {})
	s.forget(parts)
	s.dropQueued()
}

// pick returns the open partitions among which.
func (s *session) pick(which map[string][]int32) []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []*partition
	for _, id := range which[s.topic] {
		if p := s.partitions[id]; p != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// forget closes parts for good. A commit that is under way ends first.
func (s *session) forget(parts []*partition) {
	for _, p := range parts {
		p.offsets.Close()
		s.stats.clear(p.id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		if s.partitions[p.id] == p {
			delete(s.partitions, p.id)
		}
	}
}

// dropQueued throws away the batches that may not be delivered any more.
func (s *session) dropQueued() {
	for _, b := range s.queue.Take(func(b *batch) bool { return b.part.offsets.Refuses() }) {
		s.release(b)
	}
}

// gate lets a callback in between two polls. Poll holds it from asking franz-go
// for records until they are in the queue, so whoever interrupts knows that no
// record of an earlier assignment is still on its way there.
type gate struct {
	mu      sync.Mutex
	waiting atomic.Int32
	cancel  atomic.Pointer[context.CancelFunc]
}

// Poll runs f, whose context ends when someone wants to interrupt.
func (g *gate) Poll(ctx context.Context, f func(context.Context)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g.cancel.Store(&cancel)
	if g.waiting.Load() > 0 {
		cancel()
	}
	f(ctx)
}

// Interrupt runs f while no poll is under way.
func (g *gate) Interrupt(f func()) {
	g.waiting.Add(1)
	if cancel := g.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting.Add(-1)
	f()
}

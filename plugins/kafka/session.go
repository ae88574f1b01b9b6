package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// closeTimeout bounds each step of closing that talks to a broker, since Benthos
// sets no bound.
const closeTimeout = 5 * time.Second

// session is one client's membership in the group: from joining to leaving. A
// topic that was deleted and created anew needs a new one, since franz-go ties a
// client to the topic's id.
//
// Goroutines: poll moves records from the client into the queue, tend commits and
// measures, watch follows the cluster's health, and franz-go calls back about
// partitions. ReadBatch and the acknowledgements come from Benthos.
type session struct {
	link
	config *inputConfig
	stats  *inputStats
	totals *totals
	facts  topicFacts
	queue  *queue
	gate   gate

	// partitions are the ones assigned now. Callbacks replace entries, so that late
	// answers of an earlier assignment meet offsets that are closed.
	mu         sync.Mutex
	partitions map[int32]*partition
	foreign    map[int32]bool // partitions whose committed offset is of another topic

	gaps     atomic.Int64  // records that were deleted before they were read
	inFlight atomic.Int64  // bytes read and not answered
	room     chan struct{} // gets a value when inFlight falls
	// recordBytes is what a record counted for in the batch polled last; poll's own.
	recordBytes int64

	commitMu sync.Mutex // held from looking at positions to the broker's answer

	broken  chan struct{} // closed when only a new session can help
	breakIt sync.Once
	closing atomic.Bool
	ctx     context.Context
	stop    context.CancelFunc
	workers sync.WaitGroup
	left    int                      // records without an answer when the session closed
	last    atomic.Pointer[delivery] // what ReadBatch returned last
}

// partition is one assignment of a partition.
type partition struct {
	id      int32
	source  sourceOf
	offsets *offsets
	dropped dropped

	// Used by poll alone.
	expected int64 // the next offset to come; -1 if unknown
	epoch    int32 // leader epoch of the one before it; -1 if unknown
	again    bool  // what comes was read before, up to expected
	stopped  bool  // at a gap

	highWater atomic.Int64 // the offset that the next record produced will get
	polled    atomic.Int64 // when highWater was learned, unix ms

	behind atomic.Int64 // as measured last: records
	age    atomic.Int64 // as measured last: of the oldest that is not stored, ns
}

func newSession(in *input, facts topicFacts) (*session, error) {
	s := &session{
		config:     &in.config,
		stats:      in.stats,
		totals:     &in.totals,
		facts:      facts,
		queue:      newQueue(),
		partitions: map[int32]*partition{},
		room:       make(chan struct{}, 1),
		broken:     make(chan struct{}),

		recordBytes: 2 * messageOverhead,
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.client, s.log, s.health = in.config.client, in.log, in.health()
	health := newWatch()
	ready := make(chan struct{}) // franz-go may call back before NewClient returns
	opts := append(s.options(ready), kgo.WithHooks(health, groupErrors{s}))
	cl, err := kgo.NewClient(append(in.config.options(in.log), opts...)...)
	if err != nil {
		s.stop()
		return nil, err
	}
	s.cl = cl
	close(ready)
	s.workers.Go(s.poll)
	s.workers.Go(s.tend)
	s.workers.Go(func() { health.run(s.ctx, &s.link) })
	return s, nil
}

// fail makes ReadBatch ask for a new session.
func (s *session) fail(why error) {
	s.breakIt.Do(func() {
		explained, _ := s.explain(why)
		s.log.Error("kafka session ends, starting a new one", "error", explained)
		close(s.broken)
	})
}

// close commits what is acknowledged and leaves the group; it never waits for
// acknowledgements. It may be called more than once.
func (s *session) close() {
	if s.closing.Swap(true) {
		return
	}
	s.breakIt.Do(func() { close(s.broken) })
	s.stop()
	s.workers.Wait()
	s.left = s.unanswered()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.commit(ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.log.log.With("error", err).Warn("last offset commit refused: records since the one before will be read again")
	}
	s.endAssignments()
	_ = s.cl.LeaveGroupContext(ctx) // bounded, which Close alone is not
	s.cl.CloseAllowingRebalance()
}

// endAssignments tells an output that still has rows of ours, and asks for the group's
// consent, that there is none.
func (s *session) endAssignments() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.partitions {
		p.offsets.Close()
	}
}

// unanswered counts the records that the pipeline took and never answered for.
// The batch that ReadBatch returned last does not count if it is the only one:
// Benthos drops it without an answer when it comes after a soft stop, and in that
// case nobody has seen it.
func (s *session) unanswered() int {
	last := s.last.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	batches, records := 0, 0
	for _, p := range s.partitions {
		b, r := p.offsets.Unanswered()
		batches, records = batches+b, records+r
	}
	if batches == 1 && last != nil && last.open() {
		return 0
	}
	return records
}

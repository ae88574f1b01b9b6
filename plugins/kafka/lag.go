package kafka

import (
	"sync"
	"time"

	"clickstream/internal/lag"
)

// totals are what an input has done since it was made, across its sessions.
type totals struct {
	mu          sync.Mutex
	consumed    map[int32]uint64
	assignments uint64
}

func (t *totals) consume(partition int32, records int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.consumed == nil {
		t.consumed = map[int32]uint64{}
	}
	t.consumed[partition] += uint64(records)
}

func (t *totals) assign() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.assignments++
}

// lags reports the partitions that are assigned now, as they were measured last.
func (in *input) lags() lag.Report {
	var parts []*partition
	if s := in.current(); s != nil {
		s.mu.Lock()
		for _, p := range s.partitions {
			parts = append(parts, p)
		}
		s.mu.Unlock()
	}
	in.totals.mu.Lock()
	defer in.totals.mu.Unlock()
	r := lag.Report{Assignments: in.totals.assignments}
	for _, p := range parts {
		r.Partitions = append(r.Partitions, lag.Partition{
			Topic: in.config.topic, Number: p.id,
			Events: p.behind.Load(), Age: time.Duration(p.age.Load()), Consumed: in.totals.consumed[p.id],
		})
	}
	return r
}

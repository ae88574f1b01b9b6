package kafka

import (
	"context"
	"fmt"
	"sync"

	"clickstream/internal/filtered"

	"github.com/twmb/franz-go/pkg/kgo"
)

// unreached returns the offsets of the records that have their answer and have reached no
// table: a processor has dropped them. Those that are left, in their order, come again.
func (d *delivery) unreached(left []*kgo.Record) (offsets []int64) {
	if !filtered.Wanted() {
		return nil
	}
	for i := range d.contexts {
		c := &d.contexts[i]
		if len(left) > 0 && left[0].Offset == c.Offset {
			left = left[1:]
		} else if !c.Reached.Load() {
			offsets = append(offsets, c.Offset)
		}
	}
	return offsets
}

// dropped is what processors have dropped of a partition and nobody has written down.
type dropped struct {
	mu     sync.Mutex
	ranges []filtered.Range
}

// note adds offsets, in ascending order. It comes before the records count as
// acknowledged: what is committed is written down by then.
func (d *dropped) note(at filtered.Range, offsets []int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range offsets {
		if n := len(d.ranges); n > 0 && d.ranges[n-1].Last+1 == o {
			d.ranges[n-1].Last = o
			continue
		}
		at.First, at.Last = o, o
		d.ranges = append(d.ranges, at)
	}
}

func (d *dropped) take() []filtered.Range {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.ranges
	d.ranges = nil
	return taken
}

func (d *dropped) giveBack(ranges []filtered.Range) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ranges = append(ranges, d.ranges...)
}

// noteDropped writes down what processors have dropped of partitions that are about to be
// committed. What it could not write is tried again with the next commit.
func (s *session) noteDropped(ctx context.Context, moved map[int32]*partition) error {
	var all []filtered.Range
	taken := map[*partition][]filtered.Range{}
	for _, p := range moved {
		taken[p] = p.dropped.take()
		all = append(all, taken[p]...)
	}
	err := filtered.Store(ctx, all)
	if err == nil {
		return nil
	}
	for p, ranges := range taken {
		p.dropped.giveBack(ranges)
	}
	return fmt.Errorf("offsets of records that a processor dropped: %w", err)
}

// droppedBy is the range that a delivery's dropped records belong to, without its ends.
func (s *session) droppedBy(p *partition) filtered.Range {
	return filtered.Range{Stream: s.facts.stream(), Partition: p.id, Group: s.config.group.name}
}

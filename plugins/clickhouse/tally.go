package clickhouse

import (
	"maps"
	"sync"
	"time"

	"clickstream/internal/event"
)

// tally counts what the metrics count, by partition too: a record of it goes into a
// table (recorder). It is touched once a block or a batch.
type tally struct {
	mu     sync.Mutex
	counts counts
}

// counts only grow.
type counts struct {
	inserts, retries, bytes uint64
	insert                  time.Duration
	fills                   map[reason]uint64
	partitions              map[topicPartition]outcomes
}

type topicPartition struct {
	topic  string
	number int32
}

// outcomes are what became of a partition's records.
type outcomes struct{ rows, letters uint64 }

func (t *tally) flush(why reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts.fills == nil {
		t.counts.fills = map[reason]uint64{}
	}
	t.counts.fills[why]++
}

func (t *tally) insert(took time.Duration, failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.inserts++
	t.counts.insert += took
	if failed {
		t.counts.retries++
	}
}

// stored counts the rows of g that came from Kafka.
func (t *tally) stored(g *group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.bytes += uint64(g.block.bytes)
	for i, r := range g.block.runs {
		first, end := g.block.span(i, 0, g.settled)
		rejected := 0
		for row := range g.rejected {
			if first <= row && row < end {
				rejected++
			}
		}
		t.add(r.source, outcomes{rows: uint64(max(0, end-first-rejected))})
	}
}

// letter counts a record that cannot be stored.
func (t *tally) letter(at *event.Coordinate) {
	if at.Source == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(at.Source, outcomes{letters: 1})
}

// add is called with the lock held.
func (t *tally) add(source *event.Source, more outcomes) {
	if t.counts.partitions == nil {
		t.counts.partitions = map[topicPartition]outcomes{}
	}
	key := topicPartition{source.Topic, source.Partition}
	sum := t.counts.partitions[key]
	t.counts.partitions[key] = outcomes{rows: sum.rows + more.rows, letters: sum.letters + more.letters}
}

// read returns the counts as they are now.
func (t *tally) read() counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.fills, c.partitions = maps.Clone(c.fills), maps.Clone(c.partitions)
	return c
}

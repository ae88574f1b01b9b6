package exactlyonce

import (
	"encoding/binary"
	"errors"
)

const (
	partitions  = 2
	maxRecords  = 8                     // of a partition
	recreations = 2                     // of the topic, at most
	levels      = 2 * (1 + recreations) // events that may have one coordinate: a record is at most two rows
)

var errGeneration = errors.New("illegal generation")

// record is what the topic holds at an offset. A bad one goes to the dead letters, a
// dear one too once the limits are stricter: unless it is stored by then.
type record struct {
	id     ID
	second ID // of the other row, if a processor makes two of the record
	bad    bool
	dear   bool
}

// ids are those of the record's rows.
func (r record) ids() []ID {
	if r.second == (ID{}) {
		return []ID{r.id}
	}
	return []ID{r.id, r.second}
}

// group is a Kafka with one topic and one consumer group.
type group struct {
	*sim
	topic      [partitions][maxRecords]record
	topics     uint64                     // created so far: part of the event ids
	records    int64                      // of each partition, in the end
	settled    func(p int, r record) bool // is a row for each of its ids, or a letter
	committed  [partitions]int64
	generation int
	members    []*worker
}

// view is what a member learns of a generation.
type view struct {
	generation int
	owned      [partitions]bool
	fresh      bool // every partition was revoked in between
}

// create makes a topic; whatever the last one held, offsets start over, and the
// stream is the same: the worst case of assumption A1.
func (g *group) create() {
	g.topics++
	g.logf("group: topic %d created", g.topics)
	for p := range partitions {
		for o := range maxRecords {
			var r record
			binary.BigEndian.PutUint64(r.id[:], g.topics<<32|uint64(p)<<16|uint64(o)+1)
			r.bad, r.dear = g.rnd.IntN(8) == 0, g.rnd.IntN(4) == 0
			if g.rnd.IntN(8) == 0 {
				r.second = r.id
				r.second[0] = 1
			}
			g.topic[p][o] = r
		}
		g.committed[p] = 0
	}
}

// end is the offset that the producer has reached.
func (g *group) end() int64 { return min(g.records, 1+g.now*g.records/faultTicks) }

// rebalance starts a generation. Every member hears of it in its own time; until
// then it goes on as before, except that its commits are refused.
func (g *group) rebalance(fresh bool) {
	g.generation++
	if len(g.members) == 0 {
		return
	}
	views := make([]view, len(g.members))
	for i := range views {
		views[i] = view{generation: g.generation, fresh: fresh}
	}
	for p := range partitions {
		views[g.rnd.IntN(len(views))].owned[p] = true
	}
	for i, m := range g.members {
		g.logf("group: generation %d: %s gets %v", g.generation, m.name, views[i].owned)
		g.after(g.delay(), func() { m.learn(views[i]) })
	}
}

func (g *group) join(m *worker) {
	g.members = append(g.members, m)
	g.rebalance(g.rnd.IntN(2) == 0)
}

// leave is a crash; the group may notice only when the session has timed out.
func (g *group) leave(m *worker) {
	for i, other := range g.members {
		if other == m {
			g.members = append(g.members[:i:i], g.members[i+1:]...)
		}
	}
	g.after(g.delay(), func() { g.rebalance(g.rnd.IntN(2) == 0) })
}

// serveCommit is an offset commit: accepted only in the current generation. It
// checks I4.
func (g *group) serveCommit(p, generation int, offset int64, reply func(error)) {
	if generation != g.generation {
		reply(errGeneration)
		return
	}
	g.logf("group: partition %d committed to %d", p, offset)
	for o := range offset {
		if r := g.topic[p][o]; !r.bad && !g.settled(p, r) {
			g.violate("I4", "partition %d: %d is committed, offset %d is neither visible nor a letter", p, offset, o)
		}
	}
	g.committed[p] = offset
	reply(nil)
}

func (g *group) done() bool {
	for p := range partitions {
		if g.committed[p] < g.records {
			return false
		}
	}
	return true
}

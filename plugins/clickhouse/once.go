package clickhouse

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"

	"clickstream/internal/event"
	"clickstream/plugins/clickhouse/exactlyonce"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// once is a table into which every Kafka record goes exactly once, however often it
// is offered. The protocol is exactlyonce's; this is what it knows of blocks.
type once struct {
	*fenced
	log    *service.Logger
	writer exactlyonce.Writer

	// parts are the rows lo to hi of block, while not all of them have an outcome.
	parts  []*exactlyonce.Part
	block  *block
	lo, hi int
	warned bool              // of a session that is too short
	rows   []exactlyonce.Row // what the parts' rows are cut from, kept for the next block
}

func newOnce(s *server, stats *stats, log *service.Logger) *once {
	o := &once{fenced: &fenced{server: s, stats: stats}, log: log}
	o.writer = exactlyonce.Writer{Table: o, Draw: rand.Uint64, Collided: func(c exactlyonce.Collision) {
		stats.collisions.Incr(int64(len(c.Rows)))
		log.With("stream", c.From.Stream, "partition", c.From.Number, "first_offset", c.Rows[0].Offset, "events", len(c.Rows), "stored_as_stream", c.To.Stream).
			Error("the broker gave offsets out a second time, to other events: has it lost data? They are stored under another stream")
	}}
	return o
}

// prepare reads the table; rows of an earlier plan are not offered any more.
func (o *once) prepare(ctx context.Context) (*plan, error) {
	o.block = nil
	if err := o.name(ctx); err != nil {
		return nil, err
	}
	if err := o.settle(ctx); err != nil {
		return nil, err
	}
	return o.fenced.prepare(ctx)
}

// insert makes one attempt at the rows that have no outcome yet. It returns nil once
// each is visible, or is left to whoever has its partition now.
func (o *once) insert(ctx context.Context, b *block, lo, hi int) error {
	if o.block != b || o.lo != lo || o.hi != hi {
		o.cut(b, lo, hi)
	}
	err := o.writer.Write(ctx, o.parts)
	if err == nil {
		o.block = nil
	}
	return err
}

// cut makes a part of the rows of each assignment.
func (o *once) cut(b *block, lo, hi int) {
	o.block, o.lo, o.hi = b, lo, hi
	o.parts = o.parts[:0]
	o.rows = slices.Grow(o.rows[:0], hi-lo)
	o.below = map[exactlyonce.Partition]int64{}
	ids, offsets := eventIDs(b), b.column(fromOffset).data
	for _, source := range b.sources(lo, hi) {
		o.checkSession(source)
		begin := len(o.rows)
		for _, run := range ascending(b.rowsOf(source, lo, hi), offsets) {
			for row := run.lo; row < run.hi; row++ {
				r := exactlyonce.Row{Offset: int64(binary.LittleEndian.Uint64(offsets[8*row:])), Index: row}
				if ids != nil {
					r.ID = exactlyonce.ID(ids[16*row:])
				}
				o.rows = append(o.rows, r)
			}
		}
		p := &exactlyonce.Part{Partition: partitionOf(source), Assignment: source, Rows: o.rows[begin:len(o.rows):len(o.rows)]}
		o.parts = append(o.parts, p)
		o.offer(p.Partition, p.Rows)
	}
}

// ascending returns runs of rows in the order of their first offsets. Batches may come
// to the block in any order, and rows in order are what costs the protocol least.
func ascending(runs iter.Seq2[int, int], offsets []byte) []rowRange {
	var all []rowRange
	for first, end := range runs {
		all = append(all, rowRange{first, end})
	}
	at := func(r rowRange) int64 { return int64(binary.LittleEndian.Uint64(offsets[8*r.lo:])) }
	slices.SortStableFunc(all, func(a, b rowRange) int { return cmp.Compare(at(a), at(b)) })
	return all
}

// checkSession warns of times that do not fit each other. No row is lost or repeated
// by it: two members may then take a partition from each other more often.
func (o *once) checkSession(s *event.Source) {
	if o.warned || s.Session == 0 || 3*o.config.insertTimeout < s.Session {
		return
	}
	o.warned = true
	o.log.With("insert_timeout", o.config.insertTimeout.String(), "session_timeout", s.Session.String()).
		Warn("insert_timeout should be less than a third of the input's session_timeout: an insert may still run when its partition is another member's")
}

func partitionOf(s *event.Source) exactlyonce.Partition {
	return exactlyonce.Partition{Stream: s.Stream, Number: s.Partition}
}

// eventIDs returns the bytes of the column that tells events of one coordinate apart,
// or nil if the table has none.
func eventIDs(b *block) []byte {
	if c := idColumn(b.plan); c >= 0 {
		return b.columns[c].data
	}
	return nil
}

func idColumn(p *plan) int {
	return slices.IndexFunc(p.bindings, func(b binding) bool {
		return b.from == fromField && b.field == "event_id" && b.base == "UUID"
	})
}

// Insert sends the rows of all pieces as one insert of one block.
func (o *once) Insert(ctx context.Context, pieces []exactlyonce.Piece) error {
	b, lo, hi := o.filled(pieces)
	defer func() { o.comment = "" }()
	o.comment = o.claims(pieces)
	err := o.server.insert(ctx, b, lo, hi)
	if notOwner(err) {
		o.stats.stale.Incr(1)
		return fmt.Errorf("code 469: %w", exactlyonce.ErrStale) // without the exception: it says nothing of the rows
	}
	return err
}

// filled returns a block with the pieces' rows, owners filled in: the block that they
// came with if it holds no others, else a copy.
func (o *once) filled(pieces []exactlyonce.Piece) (b *block, lo, hi int) {
	n, own := 0, true
	streams := o.block.column(fromStream).data
	for _, p := range pieces {
		n += len(p.Rows)
		own = own && binary.LittleEndian.Uint64(streams[8*p.Rows[0].Index:]) == p.Stream
	}
	if own && n == o.hi-o.lo {
		owners := o.block.column(fromOwner).data
		for _, p := range pieces {
			for _, r := range p.Rows {
				binary.LittleEndian.PutUint64(owners[8*r.Index:], p.Owner)
			}
		}
		return o.block, o.lo, o.hi
	}
	b = newBlock(o.block.plan)
	owners, streamsTo := b.column(fromOwner), b.column(fromStream)
	for _, p := range pieces {
		rows := make([]int, len(p.Rows))
		for i, r := range p.Rows {
			rows[i] = r.Index
		}
		first := b.rows
		b.pick(o.block, rows)
		for row := first; row < b.rows; row++ {
			binary.LittleEndian.PutUint64(owners.data[8*row:], p.Owner)
			binary.LittleEndian.PutUint64(streamsTo.data[8*row:], p.Stream)
		}
	}
	return b, 0, b.rows
}

// writing are the tables with an output of this process that writes exactly once: two
// would take the partitions from each other.
var writing = struct {
	sync.Mutex
	tables map[string]bool
}{tables: map[string]bool{}}

// take reserves the table for this output, until release.
func (c *config) take() error {
	writing.Lock()
	defer writing.Unlock()
	if writing.tables[c.healthName()] {
		return fmt.Errorf("%s: another output of this process writes exactly once into it: use one, with a `switch` or a `broker` before it", c.healthName())
	}
	writing.tables[c.healthName()] = true
	return nil
}

func (c *config) release() {
	writing.Lock()
	defer writing.Unlock()
	delete(writing.tables, c.healthName())
}

package kafka

import (
	"slices"
	"sync"
	"time"

	"clickstream/internal/event"

	"github.com/twmb/franz-go/pkg/kgo"
)

// flat holds the records of a packed batch in two pieces of memory without a pointer
// in them: copying 200 bytes costs 10 ns, and a garbage collector that looks through
// a hundred thousand records in flight, again and again, cost a third of the CPU.
type flat struct {
	bytes []byte // key and value of each record, one after the other
	rows  []flatRow
}

// flatRow is one record: its bytes begin where those of the one before end.
type flatRow struct {
	offset     int64
	time       int64 // unix ms
	key, value int32 // lengths; -1 is none, which is not the same as empty
}

// flatRowBytes is what a record takes beyond its key and value.
const flatRowBytes = 24

// flats are kept for later batches once a batch has its answer.
var flats = sync.Pool{New: func() any { return new(flat) }}

// flatten copies records, whose keys and values are so many bytes together, and gives
// their memory back to franz-go.
func flatten(records []*kgo.Record, bytes int) *flat {
	f := flats.Get().(*flat)
	f.bytes, f.rows = slices.Grow(f.bytes[:0], bytes), slices.Grow(f.rows[:0], len(records))
	for _, r := range records {
		f.rows = append(f.rows, flatRow{r.Offset, r.Timestamp.UnixMilli(), length(r.Key), length(r.Value)})
		f.bytes = append(f.bytes, r.Key...)
		f.bytes = append(f.bytes, r.Value...)
		r.Recycle()
	}
	return f
}

func length(b []byte) int32 {
	if b == nil {
		return -1
	}
	return int32(len(b))
}

// reader walks through a flat's records; going on from one to the next costs nothing,
// going back starts over.
type reader struct {
	flat   *flat
	source *event.Source
	next   int // the record whose bytes begin at from
	from   int
}

// Len is the number of records.
func (r *reader) Len() int { return len(r.flat.rows) }

// Record returns a record's value, and fills in its coordinate.
func (r *reader) Record(i int, at *event.Coordinate) []byte {
	if i < r.next {
		r.next, r.from = 0, 0
	}
	for ; r.next < i; r.next++ {
		row := &r.flat.rows[r.next]
		r.from += int(max(row.key, 0) + max(row.value, 0))
	}
	row := &r.flat.rows[i]
	key := r.from + int(max(row.key, 0))
	value := key + int(max(row.value, 0))
	*at = event.Coordinate{Source: r.source, Offset: row.offset, Time: time.UnixMilli(row.time)}
	if row.key >= 0 {
		at.Key = r.flat.bytes[r.from:key:key]
	}
	if row.value < 0 {
		return nil
	}
	return r.flat.bytes[key:value:value]
}

// keep leaves only the records of the given indexes, in rising order.
func (f *flat) keep(indexes []int) *flat {
	kept := flats.Get().(*flat)
	kept.bytes, kept.rows = kept.bytes[:0], kept.rows[:0]
	from, next := 0, 0
	for i, row := range f.rows {
		end := from + int(max(row.key, 0)+max(row.value, 0))
		if next < len(indexes) && indexes[next] == i {
			kept.rows = append(kept.rows, row)
			kept.bytes = append(kept.bytes, f.bytes[from:end]...)
			next++
		}
		from = end
	}
	return kept
}

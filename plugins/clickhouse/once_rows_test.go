package clickhouse

import (
	"testing"

	"clickstream/internal/event"
)

// TestRowsAscend: batches come to a block in any order, some of their offsets are
// missing, and the protocol gets each partition's rows in the order of their offsets:
// sorting them row by row cost 2 % of the consumer's CPU.
func TestRowsAscend(t *testing.T) {
	a, other := &event.Source{Stream: 7}, &event.Source{Stream: 7, Partition: 1}
	batches := []struct {
		source  *event.Source
		offsets []int64
	}{
		{a, []int64{0, 1, 2}},
		{a, []int64{7, 9}}, // goes on behind the first, but not where that ends
		{other, []int64{4, 5}},
		{a, []int64{3, 5, 6}},
		{a, []int64{12, 13}},
		{other, []int64{0, 3}},
		{a, []int64{10, 11}},
	}
	b := eventsBlock(t)
	for _, batch := range batches {
		var rows []row
		for _, offset := range batch.offsets {
			r := eventRow(goodEvent)[0]
			r.at.Source, r.at.Offset = batch.source, offset
			rows = append(rows, r)
		}
		if why := b.append(rows); why != nil {
			t.Fatal(why)
		}
		b.fill()
	}
	o := &once{fenced: &fenced{server: newServer(eventsConfig(), nil)}}
	o.cut(b, 0, b.rows)
	want := map[*event.Source]int{a: 12, other: 4}
	for _, p := range o.parts {
		if got := len(p.Rows); got != want[p.Assignment.(*event.Source)] {
			t.Errorf("partition %d: got %d rows, want %d", p.Number, got, want[p.Assignment.(*event.Source)])
		}
		for i := 1; i < len(p.Rows); i++ {
			if p.Rows[i-1].Offset >= p.Rows[i].Offset {
				t.Errorf("partition %d: got offset %d before %d", p.Number, p.Rows[i-1].Offset, p.Rows[i].Offset)
			}
		}
	}
}

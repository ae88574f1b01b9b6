package kafka

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"clickstream/internal/event"

	"github.com/twmb/franz-go/pkg/kgo"
)

func show(r *reader, i int) string {
	var at event.Coordinate
	value := r.Record(i, &at)
	return fmt.Sprintf("%d %d %d %#v %#v", at.Partition, at.Offset, at.Time.UnixMilli(), at.Key, value)
}

// TestFlat: a record comes out as it went in, in whatever order it is asked for; no key
// and no value are told from empty ones.
func TestFlat(t *testing.T) {
	source := &event.Source{Partition: 5}
	var records []*kgo.Record
	var want []string
	for i, kv := range [][2][]byte{{[]byte("k"), []byte("value")}, {nil, []byte("v")}, {{}, {}}, {nil, nil}, {[]byte("key"), nil}, {[]byte("last"), []byte("x")}} {
		r := &kgo.Record{Offset: int64(10 * i), Timestamp: time.UnixMilli(int64(1_700_000_000_000 + i)), Key: kv[0], Value: kv[1]}
		records = append(records, r)
		want = append(want, fmt.Sprintf("5 %d %d %#v %#v", r.Offset, r.Timestamp.UnixMilli(), kv[0], kv[1]))
	}
	f := flatten(records, 13)
	r := &reader{flat: f, source: source}
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5}, {5, 3, 3, 0, 4}} {
		for _, i := range order {
			if got := show(r, i); got != want[i] {
				t.Errorf("record %d of %v\n got %s\nwant %s", i, order, got, want[i])
			}
		}
	}
	for _, indexes := range [][]int{{}, {0}, {1, 3, 5}, {0, 1, 2, 3, 4, 5}} {
		kept := &reader{flat: f.keep(indexes), source: source}
		var got []string
		for i := range kept.Len() {
			got = append(got, show(kept, i))
		}
		var expected []string
		for _, i := range indexes {
			expected = append(expected, want[i])
		}
		if !slices.Equal(got, expected) {
			t.Errorf("kept %v\n got %q\nwant %q", indexes, got, expected)
		}
	}
}

// TestFlattenAllocates: a batch costs no allocation once its memory goes round.
func TestFlattenAllocates(t *testing.T) {
	records := make([]*kgo.Record, 1000)
	for i := range records {
		records[i] = &kgo.Record{Key: []byte("user_123"), Value: make([]byte, 190)}
	}
	got := testing.AllocsPerRun(100, func() { flats.Put(flatten(records, 1000*198)) })
	if got > 3 { // a collection may empty the pool in between
		t.Errorf("allocations per batch of 1000: got %v, want 0", got)
	}
}

package clickhouse

import (
	"slices"
	"strings"
	"testing"

	"clickstream/internal/filtered"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// TestFilterNotes: ranges are stored as they are; where there is no table for them,
// commits go on without.
func TestFilterNotes(t *testing.T) {
	f := newFixture(t)
	f.schema(t)
	notes := func(table string) *filterNotes {
		o := build(t, f.yaml(table, ""))
		n, err := newFilterNotes(o.config, service.MockResources().Logger())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.close() })
		return n
	}
	ranges := []filtered.Range{{Stream: 1<<63 + 7, Partition: 2, Group: "it's", First: 5, Last: 9}, {Stream: 1<<63 + 7, Partition: 2, Group: "it's", First: 11, Last: 11}}
	if err := notes("events").store(t.Context(), ranges); err != nil {
		t.Fatal(err)
	}
	want := []string{"9223372036854775815\t2\tit\\'s\t5\t9", "9223372036854775815\t2\tit\\'s\t11\t11"}
	if got := strings.Split(f.query(t, "SELECT * EXCEPT inserted_at FROM events_filtered ORDER BY first"), "\n"); !slices.Equal(got, want) {
		t.Errorf("ranges\n got %q\nwant %q", got, want)
	}
	if err := notes("another").store(t.Context(), ranges); err != nil {
		t.Errorf("without a table: %v", err)
	}
}

package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// thorough says that a test shall try every case instead of a sample: FAULTS=full.
func thorough() bool { return os.Getenv("FAULTS") == "full" }

// seeded draws what a test leaves to chance. SEED repeats a run's.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// acked is the ledger of a test: what an output acknowledged: the event of each coordinate.
type acked map[string]string

// add notes a batch of visits.
func (l acked) add(t testing.TB, batch service.MessageBatch) {
	t.Helper()
	for _, m := range batch {
		doc, err := m.AsBytes()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := event.Lookup(doc, "event_id")
		c := event.CoordinateOf(m)
		l[fmt.Sprintf("%d\t%d", c.Partition, c.Offset)] = string(id)
	}
}

// holds compares the table with the ledger both ways: one row for each coordinate,
// with its event, and no other row.
func (l acked) holds(t testing.TB, f fixture) {
	t.Helper()
	seen := map[string]int{}
	for line := range strings.SplitSeq(f.query(t, "SELECT _partition, _offset, event_id FROM events ORDER BY ALL"), "\n") {
		at, id := line[:strings.LastIndexByte(line, '\t')], line[strings.LastIndexByte(line, '\t')+1:]
		if seen[at]++; seen[at] > 1 || l[at] != id {
			t.Errorf("row %d at %q holds event %s, want one row with %q", seen[at], at, id, l[at])
		}
	}
	if len(l) == 0 || len(seen) != len(l) {
		t.Errorf("coordinates stored\n got %d\nwant %d, and more than none", len(seen), len(l))
	}
}

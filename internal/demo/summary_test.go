package demo

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with testdata/name.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it anew):\n got\n%s\nwant\n%s", path, got, want)
	}
}

func sums(produced, stored, letters, lag int64) totals {
	return totals{
		produced: produced, stored: stored, letters: letters, lag: lag,
		types:   []typeCount{{"page_view", stored - 300}, {"add_to_cart", 200}, {"purchase", 100}},
		revenue: decimal.RequireFromString("4567.895"),
	}
}

func TestSummary(t *testing.T) {
	s := summary{
		all: sums(3012, 3010, 2, 0), freshness: 583 * time.Millisecond, up: 32180 * time.Millisecond, firstRow: 1930 * time.Millisecond,
		table: "clickstream.events", topic: "clickstream",
	}
	golden(t, "summary_first_run", s.String())
	s.before = sums(1000, 1000, 0, 0)
	s.before.revenue = decimal.New(1000, 0)
	s.verified = 3012
	golden(t, "summary_later_run", s.String())
	s.all, s.before, s.firstRow, s.freshness, s.verified = totals{}, totals{}, 0, 0, 0
	golden(t, "summary_nothing", s.String())
}

func TestVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		all      totals
		repeated int64
		unsent   bool
		code     int
		text     string
	}{
		"all stored":           {sums(3000, 3000, 0, 0), 0, false, 0, ""},
		"two dead letters":     {sums(3000, 2998, 2, 0), 0, false, 0, ""},
		"nothing at all":       {totals{}, 0, false, 0, ""},
		"lag of commits alone": {sums(3000, 3000, 0, 40), 0, false, 0, ""},
		"not drained": {sums(3000, 2900, 0, 100), 0, false, 3,
			"100 of 3,000 events are not stored yet; they stay in Kafka and are stored by the next run"},
		"producer held some": {sums(3000, 3000, 0, 0), 0, true, 3,
			"a pipeline stopped before it had delivered all it held (see its log); every event in Kafka is stored"},
		"lost": {sums(3000, 2990, 2, 0), 0, false, 1,
			"sums differ: produced 3,000, stored 2,990, dead letters 2: 8 events have no row"},
		"repeated": {sums(3000, 3050, 0, 0), 50, false, 1,
			"sums differ: produced 3,000, stored 3,050, dead letters 0: 50 rows repeat a record (was exactly_once off?)"},
		"lost and repeated": {sums(3000, 3040, 0, 0), 50, false, 1,
			"sums differ: produced 3,000, stored 3,040, dead letters 0: 10 events have no row, 50 rows repeat a record (was exactly_once off?)"},
		"sums that agree": {sums(3000, 3000, 0, 0), 5, false, 1,
			"sums agree, records do not: produced 3,000, stored 3,000, dead letters 0: 5 events have no row, 5 rows repeat a record (was exactly_once off?)"},
		"foreign rows": {sums(3000, 3007, 0, 0), 0, false, 1,
			"sums differ: produced 3,000, stored 3,007, dead letters 0: 7 rows belong to no event of the topic"},
	} {
		t.Run(name, func(t *testing.T) {
			s := summary{all: tc.all, repeated: tc.repeated, unsent: tc.unsent}
			if code, text := s.verdict(); code != tc.code || text != tc.text {
				t.Errorf("verdict:\n got %d %q\nwant %d %q", code, text, tc.code, tc.text)
			}
		})
	}
}

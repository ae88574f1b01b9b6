package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clickstream/bench/report"
)

// The whole of it on a small backlog: real broker, engine and programs, up to the
// verdict, which is bad on purpose. That bench/limit and consume.yaml have stored the
// same rows is checked on the way.
func TestQuick(t *testing.T) {
	data := t.TempDir()
	err := run(t.Context(), []string{"--quick", "--repo", "../..", "--data", data, "--events", "30000", "--rounds", "1", "--floor", "1000"})
	if err == nil || !strings.Contains(err.Error(), "of the rows per CPU-second: want 1000.00 or more") {
		t.Errorf("a floor that nobody reaches\n got %v", err)
	}
	left, err := filepath.Glob(filepath.Join(data, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: got %v, %v", left, err)
	}
}

func TestUsage(t *testing.T) {
	if err := run(t.Context(), []string{"--only", "everything"}); err == nil || !strings.HasPrefix(err.Error(), "--only: want one of kafka, sweep, scale, embedded") {
		t.Errorf("a part that there is not\n got %v", err)
	}
	if err := run(t.Context(), []string{"--rounds", "0"}); err == nil || !strings.HasPrefix(err.Error(), "--rounds and --events: want more than 0") {
		t.Errorf("no rounds\n got %v", err)
	}
}

// Two inserts, seen 300 and 900 ms after the first event was made.
func TestMatch(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(1_000_000 + ms)) }
	groups := []group{
		{inserted: at(290), made: at(0), events: 2},
		{inserted: at(290), made: at(100), events: 1},
		{inserted: at(880), made: at(200), events: 4},
		{inserted: at(990), made: at(700), events: 1},
	}
	seen := []visible{{at(-5), 0}, {at(300), 3}, {at(900), 7}}
	for name, tc := range map[string]struct {
		seen     []visible
		from, to int
		want     string
	}{
		"all":             {seen, 0, 1000, "300ms x2, 200ms x1, 700ms x4, 200ms x1"}, // the last was never seen
		"a window":        {seen, 100, 700, "200ms x1, 700ms x4"},
		"seen at once":    {append(seen[:1:1], visible{at(950), 8}), 0, 1000, "950ms x2, 850ms x1, 750ms x4, 250ms x1"},
		"a count between": {append(seen[:1:1], visible{at(400), 5}, visible{at(910), 8}), 0, 1000, "400ms x2, 300ms x1, 710ms x4, 210ms x1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range match(groups, tc.seen, at(tc.from), at(tc.to)) {
				got = append(got, fmt.Sprintf("%s x%d", d.Took, d.Events))
			}
			if strings.Join(got, ", ") != tc.want {
				t.Errorf("got %v\nwant %s", got, tc.want)
			}
		})
	}
}

func example() turns {
	run := func(perSecond float64, client time.Duration, parts int64) result {
		return result{events: 2_000_000, perSecond: perSecond, client: client, broker: 200 * time.Nanosecond, engine: time.Microsecond, rss: 200 << 20, parts: parts, partsPerSecond: 4, sum: 7}
	}
	return turns{
		limit.name:  {run(600_000, 500*time.Nanosecond, 20), run(300_000, 600*time.Nanosecond, 20)},
		ours.name:   {run(480_000, 1000*time.Nanosecond, 10), run(270_000, 600*time.Nanosecond, 20)},
		python.name: {run(24_000, 20*time.Microsecond, 0), run(20_000, 20*time.Microsecond, 0)},
	}
}

// A ratio is taken run by run: the noise that both had goes out.
func TestPage(t *testing.T) {
	want, err := os.ReadFile("testdata/page.md")
	if err != nil {
		t.Fatal(err)
	}
	loads := []load{{Player: "consume.yaml", Offered: 1000, Stored: 999.6, P50: 300.4, P99: 612, Max: 700, Parts: 1.956, Caught: true},
		{Player: "Python", Offered: 50_000, Stored: 20_000, P50: 9000, P99: 12_000, Max: 13_000, Parts: 20}}
	scaled := &scaled{[]*scaleCase{{name: "3 partitions", perSecond: []float64{3, 1, 2}, client: []float64{1.5}}}}
	grown := &grown{report.Of(3, 3.2), report.Of(3.2, 3.3)}
	got := strings.Join([]string{example().text(), sweepText(loads), scaled.text(), grown.text()}, "\n")
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var none findings
	if text := none.kafka.text() + sweepText(none.loads) + none.scaled.text() + none.grown.text(); text != "" {
		t.Errorf("parts that did not run: got %q", text)
	}
}

func TestCheck(t *testing.T) {
	both := []player{limit, ours, python}
	same := example()
	if err := same.check(both); err != nil {
		t.Errorf("the same rows: got %v", err)
	}
	same[ours.name][1].sum++
	if err := same.check(both); err == nil || !strings.HasPrefix(err.Error(), "consume.yaml: stored 2000000 rows with the sum 8") {
		t.Errorf("other rows: got %v", err)
	}
}

// The page in docs/ has a place for each part.
func TestDocsHaveMarks(t *testing.T) {
	page, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"kafka", "embedded", "sweep", "scale", "big"} {
		if _, err := report.Splice(string(page), part, ""); err != nil {
			t.Errorf("docs/benchmarks.md: %v", err)
		}
	}
}

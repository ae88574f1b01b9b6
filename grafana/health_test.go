package grafana

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"clickstream/internal/page"
)

// said is one row of pipeline_metrics, so many seconds before now.
type said struct {
	before    int
	partition int
	values    string // of metricColumns
}

const metricColumns = "lag_events, lag_ms, consumed, rows, letters, inserts, insert_ms, retries, rebalances, fill_rows, fill_bytes, fill_time, fill_idle"

func (s shop) say(t *testing.T, rows ...said) {
	t.Helper()
	var values []string
	for _, r := range rows {
		values = append(values, fmt.Sprintf("(%s, 'one', 'v1.2', 'clickstream', %d, %s)", clock(-time.Duration(r.before)*time.Second), r.partition, r.values))
	}
	s.server.Query(t, s.database, "INSERT INTO pipeline_metrics (time, pipeline, version, topic, partition, "+metricColumns+") VALUES "+strings.Join(values, ", "))
}

// letter stores a dead letter of stream 1, n times over: a crash repeats letters.
func (s shop) letter(t *testing.T, reason string, partition, offset int, at time.Duration, n int) {
	t.Helper()
	for range n {
		s.server.Query(t, s.database, fmt.Sprintf(`INSERT INTO dead_letters (reason, field, message, payload, received_at, inserted_at, _stream, _partition, _offset)
			VALUES ('%s', 'price', 'want a number', '{"price": "\xff<b>"}', %s, %s, 1, %d, %d)`, reason, clock(at), clock(at), partition, offset))
	}
}

// TestHealthOfNothing: an empty pipeline has no delay and no lag, rather than none of it.
func TestHealthOfNothing(t *testing.T) {
	newShop(t).check(t, "empty",
		answer{"Freshness", 15 * minute, time.Second, "age\n"},
		answer{"End to end, last minute", 15 * minute, time.Second, "p50\tp95\tp99\n"},
		answer{"End to end", 15 * minute, 10 * time.Second, "time\tp50\tp95\tp99\n"},
		answer{"Lag", 15 * minute, time.Second, "events\n"},
		answer{"Duplicates", 15 * minute, time.Second, "duplicates\n0\n"},
		answer{"Missing offsets", 15 * minute, time.Second, "missing\n0\n"},
		answer{"Dead letters", 15 * minute, time.Second, "letters\n0\n"},
		answer{"Dead letters by reason", 15 * minute, time.Second, "reason\tletters\n"},
		answer{"Parts", 15 * minute, time.Second, "parts\n0\n"},
		answer{"Rebalances", 15 * minute, time.Second, "rebalances\n0\n"},
		answer{"Failed inserts", 15 * minute, time.Second, "retries\n0\n"},
		answer{"Sent again", 15 * minute, time.Second, "repeated\n0\n"},
	)
}

// TestFreshness goes by ClickHouse's clock, whatever the time range.
func TestFreshness(t *testing.T) {
	s := newShop(t)
	s.store(t, visit{n: 2, kind: "page_view", stored: -42 * time.Second})
	_, value, _ := strings.Cut(s.show(t, "Freshness", 15*minute, time.Second), "\n")
	if age, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil || age < 42 || age > 100 {
		t.Errorf("freshness: got %q, want 42 seconds and what passed since", value)
	}
	if got, want := s.show(t, "Parts", 15*minute, time.Second), "parts\n1\n"; got != want {
		t.Errorf("parts\n got %s\nwant %s", got, want)
	}
}

// TestDelay: of the rows stored in the span, from the event's own time; a clock that runs
// ahead is no delay.
func TestDelay(t *testing.T) {
	s := newShop(t)
	s.store(t,
		visit{n: 930, kind: "page_view", at: -30*time.Second - 100*time.Millisecond, insertedAfter: "-30s"},
		visit{n: 40, kind: "purchase", at: -31 * time.Second, insertedAfter: "-30s"},
		visit{n: 20, kind: "purchase", at: -36 * time.Second, insertedAfter: "-30s"},
		visit{n: 10, kind: "page_view", at: -20 * time.Second, insertedAfter: "-30s"}, // ahead of the clock
		visit{n: 5000, kind: "page_view", at: -3 * minute, insertedAfter: "-130s"},    // stored before the last minute
	)
	s.check(t, "delay",
		answer{"End to end, last minute", 15 * minute, time.Second, "p50\tp95\tp99\n100\t1000\t6000\n"},
		answer{"End to end, last minute", 24 * time.Hour, time.Second, "p50\tp95\tp99\n100\t1000\t6000\n"},
	)
	s.refresh(t, "measure_delay")
	for _, interval := range []time.Duration{10 * time.Second, minute, 5 * minute} {
		from := now.Add(-15 * minute)
		q := page.Query{From: from, To: now.Add(10 * minute), Interval: interval}
		rows := strings.Split(strings.TrimSpace(s.run(t, "End to end", q)), "\n")
		got := rows[len(rows)-1]
		want := []float64{100, 1000, 6000}
		if interval > minute { // the 5,000 too, which took 50 s
			want = []float64{50_000, 50_000, 50_000}
		}
		for i, text := range strings.Split(got, "\t")[1:] {
			if v, err := strconv.ParseFloat(text, 64); err != nil || v < want[i]*0.985 || v > want[i]*1.015 {
				t.Errorf("end to end by %s: got %s, want %v within 1 %%", interval, got, want)
				break
			}
		}
	}
}

// TestRecordsCount: a record twice is a duplicate, one that is neither row nor letter is
// missing; and a letter that comes late or twice is neither.
func TestRecordsCount(t *testing.T) {
	s := newShop(t)
	kafka := func(partition, offset, n int, inserted string) visit {
		return visit{n: n, kind: "page_view", ofKafka: true, partition: partition, offset: offset, insertedAfter: inserted}
	}
	s.store(t,
		kafka(0, 0, 100, "-30m"),  // before the ten minutes
		kafka(0, 110, 10, "-10m"), // after it begins: 100 to 109 are an older gap
		kafka(0, 120, 30, "-9m"),
		kafka(0, 125, 1, "-5m"), // once more
		kafka(1, 7, 3, "-10m"),  // 10 is a letter, 11 is missing
		kafka(1, 12, 8, "-9m"),
		kafka(2, 1000, 50, "-2m"),
		kafka(2, 1060, 50, "-10s"), // the gap before these may be letters on their way
	)
	s.letter(t, "price", 1, 10, -15*time.Second, 2)
	s.check(t, "records",
		answer{"Duplicates", 15 * minute, time.Second, "duplicates\n1\n"},
		answer{"Duplicates", 24 * time.Hour, time.Second, "duplicates\n1\n"},
		answer{"Duplicates", 4 * minute, time.Second, "duplicates\n0\n"},
		answer{"Missing offsets", 15 * minute, time.Second, "missing\n1\n"},
		answer{"Missing offsets", 24 * time.Hour, time.Second, "missing\n1\n"},
	)
}

// TestLetters: each counts once, and the newest come first.
func TestLetters(t *testing.T) {
	s := newShop(t)
	for i := range 23 {
		s.letter(t, "time", 0, i, -10*minute+time.Duration(i)*time.Second, 1)
	}
	s.letter(t, "price", 1, 5, -minute, 3)
	s.letter(t, "price", 1, 6, -time.Hour, 1)
	s.check(t, "letters",
		answer{"Dead letters", 15 * minute, time.Second, "letters\n24\n"},
		answer{"Dead letters", 2 * time.Hour, time.Second, "letters\n25\n"},
		answer{"Dead letters by reason", 15 * minute, time.Second, "reason\tletters\ntime\t23\nprice\t1\n"},
		answer{"Dead letters by reason", 2 * time.Hour, time.Second, "reason\tletters\ntime\t23\nprice\t2\n"},
	)
	rows := strings.Split(strings.TrimSpace(s.show(t, "Last dead letters", 15*minute, time.Second)), "\n")
	if len(rows) != 21 || !strings.HasPrefix(rows[1], "today 14:29:10.400\tprice\tprice\twant a number\t1\t5\t") ||
		!strings.HasPrefix(rows[2], "today 14:20:32.400\ttime\t") || !strings.HasPrefix(rows[20], "today 14:20:14.400\ttime\t") {
		t.Errorf("last dead letters: got %s\nwant the 20 newest of 24, newest first", strings.Join(rows, "\n"))
	}
}

// TestPipelineMetrics: sums of counters, the highest lag of a bucket, and figures of a
// partition and of the process kept apart.
func TestPipelineMetrics(t *testing.T) {
	s := newShop(t)
	s.say(t,
		said{9, 0, "50, 700, 100, 90, 10, 0, 0, 0, 0, 0, 0, 0, 0"},
		said{9, 1, "7, 0, 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0"},
		said{9, -1, "0, 0, 0, 0, 0, 2, 30, 1, 3, 1, 0, 1, 0"},
		said{8, 0, "30, 900, 40, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0"},
		said{8, 1, "0, 0, 20, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0"},
		said{8, -1, "0, 0, 0, 0, 0, 2, 10, 0, 1, 0, 1, 0, 1"},
		said{0, 0, "1, 10, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0"}, // in the open bucket
		said{0, 1, "2, 10, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0"},
	)
	s.check(t, "metrics",
		answer{"Lag", 15 * minute, time.Second, "events\n3\n"},
		answer{"Rebalances", 15 * minute, time.Second, "rebalances\n4\n"},
		answer{"Failed inserts", 15 * minute, time.Second, "retries\n1\n"},
		answer{"Rows in and out", 15 * minute, 2 * time.Second, "time\tconsumed\tstored\tletters\n" +
			"today 14:30:00.000\t60\t55\t5\ntoday 14:30:02.000\t30\t35\t0\n"},
		answer{"Lag in events", 15 * minute, 5 * time.Second, "time\tpartition\tevents\n" +
			"today 14:30:00.000\tpartition 0\t50\ntoday 14:30:00.000\tpartition 1\t7\n"},
		answer{"Lag in seconds", 15 * minute, 5 * time.Second, "time\tpartition\tseconds\n" +
			"today 14:30:00.000\tpartition 0\t0.9\ntoday 14:30:00.000\tpartition 1\t0\n"},
		answer{"Rows per insert", 15 * minute, 5 * time.Second, "time\trows\ntoday 14:30:00.000\t45\n"},
		answer{"Milliseconds per insert", 15 * minute, 5 * time.Second, "time\tduration\ntoday 14:30:00.000\t10\n"},
		answer{"Blocks by what ended their filling", 15 * minute, 10 * time.Second, "time\trows\tbytes\ttime_limit\tidle\ntoday 14:30:00.000\t6\t6\t6\t6\n"},
	)
	versions := s.show(t, "Versions", 15*minute, time.Second)
	if !strings.Contains(versions, "consumer one\tv1.2\ttoday 14:30:10.400\n") || !strings.Contains(versions, "ClickHouse\t26.") {
		t.Errorf("versions: got %s\nwant the consumer's v1.2 as last seen, and ClickHouse's", versions)
	}
}

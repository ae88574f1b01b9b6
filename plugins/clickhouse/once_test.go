package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clickstream/internal/event"
	"clickstream/plugins/clickhouse/exactlyonce"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// assignment is a stay of partition p with a member of the group.
func assignment(p int32, commit func(context.Context) error) *event.Source {
	return &event.Source{Topic: "clickstream", Stream: 1<<63 + 7, Partition: p, Commit: commit}
}

// visits are events of an assignment, from offset first to the one before end. Their
// ids follow from partition, offset and life, so that a redelivery has the same.
func visits(s *event.Source, life, first, end int) (batch service.MessageBatch) {
	for o := first; o < end; o++ {
		doc := fmt.Sprintf(`{"event_id":"0000%04x-0000-4000-8000-%04x%08x","event_type":"page_view","user_id":"u%d","product_id":"p","price":1,"timestamp":"2026-01-15T14:30:00Z"}`,
			life, s.Partition, o, o)
		record := &event.Record{Context: context.Background(), Coordinate: event.Coordinate{Source: s, Offset: int64(o), Time: time.UnixMilli(1768487400456)}}
		batch = append(batch, service.NewMessage([]byte(doc)).WithContext(record))
	}
	return batch
}

// guarded is a fixture with the project's tables, and YAML of an output that writes
// exactly once into events.
func guarded(t testing.TB) (fixture, string) {
	t.Helper()
	f := newFixture(t)
	f.schema(t)
	return f, f.yaml("events", "exactly_once: true")
}

// other is the same output for another process: at the same server by another name.
func other(yaml string) string { return strings.Replace(yaml, "127.0.0.1:", "localhost:", 1) }

func mustWrite(t testing.TB, o *output, batches ...service.MessageBatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, batch := range batches {
		if err := o.WriteBatch(ctx, batch); err != nil {
			t.Fatal(err, trouble(o))
		}
	}
}

// wantRows compares rows and distinct coordinates with n.
func (f fixture) wantRows(t testing.TB, n int) {
	t.Helper()
	got := f.query(t, "SELECT count(), uniqExact(_stream, _partition, _offset) FROM events")
	if want := fmt.Sprintf("%d\t%d", n, n); got != want {
		t.Errorf("rows and distinct coordinates\n got %s\nwant %s", got, want)
	}
}

// TestRedeliveryStoresNothing: whatever of a partition comes again, under the same
// assignment or another, at a new output or the old one, is one row; and while nothing
// comes again nothing is read.
func TestRedeliveryStoresNothing(t *testing.T) {
	f, yaml := guarded(t)
	o := connected(t, yaml)
	a, b := assignment(0, nil), assignment(1, nil)
	mustWrite(t, o, visits(a, 1, 0, 100), visits(b, 1, 0, 50), visits(a, 1, 100, 200))
	f.wantRows(t, 250)
	mustWrite(t, o, visits(a, 1, 0, 200), visits(a, 1, 150, 300))
	f.wantRows(t, 350)
	mustWrite(t, o, visits(assignment(0, nil), 1, 250, 400), visits(assignment(1, nil), 1, 50, 60))
	f.wantRows(t, 460)
	again := connected(t, other(yaml))
	mustWrite(t, again, visits(assignment(0, nil), 1, 0, 500))
	f.wantRows(t, 560)
	mixed := append(visits(assignment(2, nil), 1, 5, 10), visits(assignment(3, nil), 1, 7, 9)...)
	mustWrite(t, again, mixed, mixed)
	f.wantRows(t, 567)
	if got, want := f.query(t, "SELECT countIf(_owner = 0) FROM events"), "0"; got != want {
		t.Errorf("rows without an owner\n got %s\nwant %s", got, want)
	}
}

// TestHolesAreFilled: rows below the highest offset that are missing are inserted.
func TestHolesAreFilled(t *testing.T) {
	f, yaml := guarded(t)
	o := connected(t, yaml)
	a := assignment(0, nil)
	mustWrite(t, o, visits(a, 1, 0, 10), visits(a, 1, 20, 30), visits(a, 1, 100, 101))
	mustWrite(t, o, visits(assignment(0, nil), 1, 0, 120))
	f.wantRows(t, 120)
}

// TestTwoWritersTakeTurns: one that was overtaken is refused by the server, asks the
// group, and either takes the partition back or lets go of it.
func TestTwoWritersTakeTurns(t *testing.T) {
	for _, protocol := range []string{"native", "http"} {
		t.Run(protocol, func(t *testing.T) { takeTurns(t, protocol) })
	}
}

func takeTurns(t *testing.T, protocol string) {
	f, yaml := guarded(t)
	if protocol == "http" {
		yaml = strings.Replace(yaml, f.Native, f.HTTP, 1) + "\nprotocol: http"
	}
	one, two := connected(t, yaml), connected(t, other(yaml))
	var asked atomic.Int64
	mine := assignment(0, func(context.Context) error { asked.Add(1); return nil })
	mustWrite(t, one, visits(mine, 1, 0, 10))
	mustWrite(t, two, visits(assignment(0, nil), 1, 5, 20))
	mustWrite(t, one, visits(mine, 1, 15, 30))
	if asked.Load() == 0 {
		t.Error("the first writer took the partition back without asking the group")
	}
	f.wantRows(t, 30)

	gone := assignment(1, func(context.Context) error { return fmt.Errorf("commit: %w", event.ErrRevoked) })
	mustWrite(t, one, visits(gone, 1, 0, 10))
	mustWrite(t, two, visits(assignment(1, nil), 1, 0, 10))
	mustWrite(t, one, visits(gone, 1, 10, 20)) // nobody stores them here, and nobody waits for them
	f.wantRows(t, 40)
	both := append(visits(gone, 1, 20, 25), visits(mine, 1, 30, 35)...)
	mustWrite(t, one, both)
	f.wantRows(t, 45)
}

// TestGroupDoesNotKnow: until the group answers nothing is inserted, and then all is.
func TestGroupDoesNotKnow(t *testing.T) {
	f, yaml := guarded(t)
	one, two := connected(t, yaml), connected(t, other(yaml))
	var asked atomic.Int64
	mine := assignment(0, func(context.Context) error {
		if asked.Add(1) < 3 {
			return errors.New("coordinator is loading")
		}
		return nil
	})
	mustWrite(t, one, visits(mine, 1, 0, 10))
	mustWrite(t, two, visits(assignment(0, nil), 1, 10, 20))
	mustWrite(t, one, visits(mine, 1, 0, 30))
	f.wantRows(t, 30)
	if got := asked.Load(); got < 3 {
		t.Errorf("questions to the group\n got %d\nwant 3 or more", got)
	}
}

// TestOffsetsGivenOutTwice: other events at offsets that are taken are stored, under
// another stream, once.
func TestOffsetsGivenOutTwice(t *testing.T) {
	f, yaml := guarded(t)
	o := connected(t, yaml)
	mustWrite(t, o, visits(assignment(0, nil), 1, 0, 10))
	mustWrite(t, o, visits(assignment(0, nil), 2, 0, 15))
	f.wantRows(t, 25)
	mustWrite(t, o, visits(assignment(0, nil), 2, 0, 15), visits(assignment(0, nil), 1, 0, 10))
	f.wantRows(t, 25)
	next := exactlyonce.Successor(exactlyonce.Partition{Stream: 1<<63 + 7})
	if got, want := f.query(t, fmt.Sprintf("SELECT count() FROM events WHERE _stream = %d", next.Stream)), "10"; got != want {
		t.Errorf("rows of the second stream\n got %s\nwant %s", got, want)
	}
}

// TestServerRefusesSomeRows: they are rejected alone, and their neighbours are stored once.
func TestServerRefusesSomeRows(t *testing.T) {
	f, yaml := guarded(t)
	f.query(t, "ALTER TABLE events ADD CONSTRAINT no_thirteen CHECK user_id NOT IN ('u13', 'u99')")
	o := connected(t, yaml)
	batch := visits(assignment(0, nil), 1, 0, 120)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := failures(batch, func() error { return o.WriteBatch(ctx, batch) })
	want := "13 unknown_value (): the row violates a constraint of the table (code 469)\n99 unknown_value (): the row violates a constraint of the table (code 469)\n"
	if got != want {
		t.Errorf("failed messages\n got %s\nwant %s", got, want)
	}
	f.wantRows(t, 118)
	f.query(t, "ALTER TABLE events DROP CONSTRAINT no_thirteen")
	mustWrite(t, o, visits(assignment(0, nil), 1, 0, 120))
	f.wantRows(t, 120)
}

// TestColumnsChange: a change of the table in mid-stream costs no row and repeats none.
func TestColumnsChange(t *testing.T) {
	f, yaml := guarded(t)
	o := connected(t, yaml)
	a := assignment(0, nil)
	mustWrite(t, o, visits(a, 1, 0, 10))
	f.query(t, "ALTER TABLE events ADD COLUMN more String DEFAULT 'x', MODIFY COLUMN user_id LowCardinality(String)")
	mustWrite(t, o, visits(a, 1, 0, 30))
	f.wantRows(t, 30)
}

// TestDrainEndsOthersInserts: an insert of an earlier owner, whose client has stopped
// in the middle of its rows, is gone before the partition is written to.
func TestDrainEndsOthersInserts(t *testing.T) {
	f, yaml := guarded(t)
	o := connected(t, yaml)
	table := &fenced{server: o.server}
	if err := table.name(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped := func(p int32) (end func()) {
		claim := table.claim(exactlyonce.Claim{Partition: exactlyonce.Partition{Stream: 1<<63 + 7, Number: p}, Owner: 4711})
		q := url.Values{"database": {f.database}, "log_comment": {"clickstream" + claim}, "query": {"INSERT INTO events (_stream, _partition, _offset, _owner) FORMAT TSV"}}
		r, w := io.Pipe()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.HTTP+"/?"+q.Encode(), r)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(f.User, f.Password)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if response, err := http.DefaultClient.Do(request); err == nil {
				_ = response.Body.Close()
			}
		}()
		_, _ = io.WriteString(w, fmt.Sprintf("%d\t%d\t0\t4711\n", uint64(1<<63+7), p))
		eventually(t, "the insert to show in system.processes", func() bool { return f.running(t, claim) == "1" })
		return func() { _ = w.Close(); <-done }
	}
	endMine, endOther := stopped(0), stopped(1)
	defer endOther()
	defer endMine()
	begin := time.Now()
	mustWrite(t, o, visits(assignment(0, nil), 1, 0, 10))
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("drain took %v, want at most 3s", took)
	}
	f.wantRows(t, 10)
	if got := f.running(t, " "); got != "1" {
		t.Errorf("inserts that still run\n got %s\nwant 1: that of another partition", got)
	}
}

// running counts the inserts whose log_comment holds text.
func (f fixture) running(t testing.TB, text string) string {
	return f.query(t, "SELECT count() FROM system.processes WHERE position(Settings['log_comment'], 'clickstream ') > 0 AND position(Settings['log_comment'], '"+text+"') > 0")
}

// TestFatalOnce: a table that is not guarded cannot keep the promise, and one that is
// guarded refuses whoever does not make it.
func TestFatalOnce(t *testing.T) {
	f := newFixture(t)
	f.schema(t)
	f.query(t, "CREATE TABLE plain AS events_fence ENGINE = Memory")
	f.query(t, "CREATE TABLE bare (_stream UInt64, _partition Int32, _offset Int64, _owner UInt64, received_at DateTime, CONSTRAINT current_owner CHECK _owner != 0) ENGINE = MergeTree ORDER BY _offset")
	f.query(t, "CREATE TABLE open (_stream UInt64, _partition Int32, _offset Int64, _owner UInt64, received_at DateTime) ENGINE = MergeTree ORDER BY _offset")
	for name, tc := range map[string]struct{ yaml, want string }{
		"no owner":      {f.yaml("plain", "exactly_once: true"), "table DB.plain has no column _offset, which field @offset wants (columns: _stream, _partition, owner)"},
		"no constraint": {f.yaml("open", "exactly_once: true"), "table DB.open has no constraint current_owner, which exactly_once rests on: run `clickstream init`, or add it"},
		"no fence":      {f.yaml("bare", "exactly_once: true"), "table DB.bare has no fence bare_fence, which exactly_once rests on: run `clickstream init`, or create it"},
		"at least once": {f.yaml("events", "coordinates: true"), "table DB.events has the constraint current_owner: set `exactly_once: true`, or use a table without it"},
	} {
		t.Run(name, func(t *testing.T) {
			want := "clickhouse " + f.Native + ": " + strings.ReplaceAll(tc.want, "DB", f.database)
			if got := fatal(t, tc.yaml); got != want {
				t.Errorf("fatal error\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestOneWriterOfATable: two in a process would take partitions from each other.
func TestOneWriterOfATable(t *testing.T) {
	_, yaml := guarded(t)
	o := connected(t, yaml)
	second := build(t, yaml)
	if err := second.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "another output of this process") {
		t.Errorf("second output\n got %v\nwant a refusal", err)
	}
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Connect(t.Context()); err != nil {
		t.Errorf("after the first has closed\n got %v\nwant <nil>", err)
	}
	_ = second.Close(context.Background())
}

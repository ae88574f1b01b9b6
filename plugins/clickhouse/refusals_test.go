package clickhouse

import (
	"context"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/process"
)

// stillRuns fails if the process was asked to stop.
func stillRuns(t *testing.T) {
	t.Helper()
	select {
	case err := <-process.Fatals():
		t.Errorf("asked the process to stop: %v", err)
	default:
	}
}

// allColumns names what fills each column of events, so that a column that goes is missed.
const allColumns = "columns: {event_id: event_id, event_type: event_type, user_id: user_id, product_id: product_id, price: price, timestamp: timestamp}"

// TestServerRefusesOnce: whatever becomes of the table while the pipeline runs is waited
// for and said, and each event is one row when it is repaired.
func TestServerRefusesOnce(t *testing.T) {
	for name, tc := range map[string]struct{ spoil, repair, want string }{
		"too many parts": {"ALTER TABLE events MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1, max_delay_to_insert = 1, max_bytes_to_merge_at_max_space_in_pool = 1",
			"ALTER TABLE events RESET SETTING parts_to_throw_insert, parts_to_delay_insert", "code 252 TOO_MANY_PARTS"},
		"disk full": {"ALTER TABLE events MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000000",
			"ALTER TABLE events RESET SETTING min_free_disk_bytes_to_perform_insert", "code 243 NOT_ENOUGH_SPACE"},
		"table dropped":  {"RENAME TABLE events TO away", "RENAME TABLE away TO events", "unknown table"},
		"column dropped": {"ALTER TABLE events RENAME COLUMN user_id TO x", "ALTER TABLE events RENAME COLUMN x TO user_id", "no column user_id"},
		"type changed": {"ALTER TABLE events RENAME COLUMN user_id TO x; ALTER TABLE events MODIFY COLUMN x DEFAULT '', ADD COLUMN user_id Array(String)",
			"ALTER TABLE events DROP COLUMN user_id; ALTER TABLE events RENAME COLUMN x TO user_id", "field user_id cannot fill column user_id"},
	} {
		t.Run(name, func(t *testing.T) {
			f, yaml := guarded(t)
			o, l := connected(t, yaml+"\n"+allColumns), acked{}
			for i := range 3 {
				if err := <-underWay(o, l, t, 10*i, 10*i+10); err != nil {
					t.Fatal(err)
				}
			}
			for sql := range strings.SplitSeq(tc.spoil, "; ") {
				f.query(t, sql)
			}
			done := underWay(o, l, t, 20, 60) // ten of them are stored
			eventually(t, "health says why", func() bool { return strings.Contains(trouble(o), tc.want) })
			for sql := range strings.SplitSeq(tc.repair, "; ") {
				f.query(t, sql)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			stillRuns(t)
			l.holds(t, f)
		})
	}
}

// TestFenceEmptied: without the fence nobody owns anything; each writer asks the group
// and takes its partitions anew.
func TestFenceEmptied(t *testing.T) {
	f, yaml := guarded(t)
	o, l := connected(t, yaml), acked{}
	for i := range 5 {
		a := assignment(0, func(context.Context) error { return nil })
		for j := range 3 {
			batch := visits(a, 1, 30*i+10*j, 30*i+10*j+10)
			l.add(t, batch)
			mustWrite(t, o, batch)
			f.query(t, "TRUNCATE TABLE events_fence")
		}
	}
	l.holds(t, f)
	if got, want := f.refusal(t, "DROP TABLE events_fence"), "HAVE_DEPENDENT_OBJECTS"; !strings.Contains(got, want) {
		t.Errorf("drop of the fence\n got %s\nwant %s", got, want)
	}
}

// refusal is why the server does not run sql.
func (f fixture) refusal(t *testing.T, sql string) string {
	t.Helper()
	err := f.Conn(t, f.database).Exec(t.Context(), sql)
	if err == nil {
		t.Fatalf("%s: got no error, want one", sql)
	}
	return err.Error()
}

// TestMemoryLimit: an insert that is too large for the server's memory is cut in halves
// until it fits.
func TestMemoryLimit(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{MemoryBytes: 600 << 20})
	f := fixture{own.Server, own.Database(t)}
	f.schema(t)
	f.query(t, "ALTER TABLE events ADD COLUMN ballast String DEFAULT repeat('x', 60000)")
	o, l := connected(t, f.yaml("events", "exactly_once: true\ninsert_timeout: 15s")), acked{}
	done := underWay(o, l, t, 0, 16_000)
	eventually(t, "health says why", func() bool { return strings.Contains(trouble(o), "code 241 MEMORY_LIMIT_EXCEEDED") })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stillRuns(t)
	l.holds(t, f)
}

// TestServerAnswers: each of the server's refusals is told apart: what may pass is tried
// again, smaller or not, and nothing is lost or stored twice meanwhile.
func TestServerAnswers(t *testing.T) {
	const rows = 4000
	for name, tc := range map[string]struct {
		code   int32
		want   string
		pieces int64 // in which the rows are stored after two refusals
	}{
		"timeout":            {159, "code 159 TIMEOUT_EXCEEDED", 4},
		"memory":             {241, "code 241 MEMORY_LIMIT_EXCEEDED", 4},
		"read-only user":     {164, "is read-only (code 164): use a user that may insert", 1},
		"read-only table":    {242, "code 242 TABLE_IS_READ_ONLY", 1},
		"disk full":          {243, "code 243 NOT_ENOUGH_SPACE", 1},
		"too many queries":   {202, "code 202 TOO_MANY_SIMULTANEOUS_QUERIES", 1},
		"too many parts":     {252, "code 252 TOO_MANY_PARTS", 1},
		"outcome unknown":    {319, "code 319 UNKNOWN_STATUS_OF_INSERT", 1},
		"nobody knows these": {9999, "code 9999", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, yaml := guarded(t)
			p := startRefuser(t, f.Native, tc.code)
			o, l := connected(t, strings.Replace(yaml, f.Native, p.l.Addr().String(), 1)), acked{}
			p.passed.Store(0)
			p.left.Store(2)
			done := underWay(o, l, t, 0, rows)
			eventually(t, "health says why", func() bool { return strings.Contains(trouble(o), tc.want) })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := p.passed.Load(); got != tc.pieces {
				t.Errorf("inserts that went through\n got %d\nwant %d", got, tc.pieces)
			}
			stillRuns(t)
			l.holds(t, f)
		})
	}
}

// TestReadOnlyAtTheStart: a user that may not insert stops the process, and is told so.
func TestReadOnlyAtTheStart(t *testing.T) {
	f, yaml := guarded(t)
	p := startRefuser(t, f.Native, 164)
	p.early = true
	p.left.Store(1 << 30)
	if got, want := fatal(t, strings.Replace(yaml, f.Native, p.l.Addr().String(), 1)), `user "default" is read-only (code 164): use a user that may insert`; !strings.Contains(got, want) {
		t.Errorf("fatal error\n got %s\nwant %s", got, want)
	}
}

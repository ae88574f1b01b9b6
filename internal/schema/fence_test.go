package schema

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/engine/enginetest"
)

// TestOnlyTheOwnerInserts: whose rows the server takes, in the words of its own checks.
func TestOnlyTheOwnerInserts(t *testing.T) {
	conn, db := newDatabase(t, "owner's")
	mustApply(t, conn, Options{Database: db})
	mustExec(t, conn, "INSERT INTO "+quote(db)+".events_fence VALUES (7, 0, 3)")
	mustExec(t, conn, "INSERT INTO "+quote(db)+".events_fence VALUES (7, 0, 5), (7, 1, 6)")
	for name, tc := range map[string]struct {
		rows  string // stream, partition, owner
		stale bool
	}{
		"owner":             {"(7, 0, 5)", false},
		"two partitions":    {"(7, 0, 5), (7, 1, 6)", false},
		"owner of before":   {"(7, 0, 3)", true},
		"owner of another":  {"(7, 0, 6)", true},
		"one row of many":   {"(7, 0, 5), (7, 1, 6), (7, 1, 5)", true},
		"no owner":          {"(7, 0, 0)", true},
		"no fence":          {"(7, 2, 5)", true},
		"no fence no owner": {"(8, 0, 0)", true},
		"no coordinate":     {"(0, 0, 0)", false},
	} {
		t.Run(name, func(t *testing.T) {
			before := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".events")
			err := conn.Exec(t.Context(), "INSERT INTO "+quote(db)+".events (_stream, _partition, _owner) VALUES "+tc.rows)
			var e *clickhouse.Exception
			if stale := errors.As(err, &e) && e.Code == 469 && strings.Contains(e.Message, "current_owner"); stale != tc.stale || !stale && err != nil {
				t.Errorf("insert\n got %v\nwant stale %v", err, tc.stale)
			}
			want := before
			if !tc.stale {
				want += uint64(strings.Count(tc.rows, "("))
			}
			if got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".events"); got != want {
				t.Errorf("rows: got %d, want %d", got, want)
			}
		})
	}
}

// TestUpgradeGuardsOldTable: rows from before the constraint stay, and only new ones
// need an owner.
func TestUpgradeGuardsOldTable(t *testing.T) {
	conn, db := newDatabase(t, "guarded")
	migrations, err := load(files(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	old := &upgrade{conn: conn, options: Options{Database: db}, files: files(t, nil)}
	if err := old.migrate(t.Context(), migrations[:3]); err != nil {
		t.Fatal(err)
	}
	fillEvents(t, conn, db, 0, 1000)
	mustApply(t, conn, Options{Database: db})
	mustExec(t, conn, "OPTIMIZE TABLE "+quote(db)+".events FINAL")
	fence(t, conn, db, 9)
	fillEvents(t, conn, db, 9, 500)
	if got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".events"); got != 1500 {
		t.Errorf("rows: got %d, want 1500", got)
	}
}

// insertAs is what the server says to a row of stream 7, partition 0, with that owner.
func insertAs(t testing.TB, conn driver.Conn, db string, owner int) error {
	t.Helper()
	return conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s.events (_stream, _partition, _owner) VALUES (7, 0, %d)", quote(db), owner))
}

// TestFenceForgets: of two fence writes that overlap the one that ends last counts, and
// after kill -9 neither does. On disk it was the one that began last.
func TestFenceForgets(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	conn, db := own.Conn(t, ""), own.Database(t)
	mustApply(t, conn, Options{Database: db})
	slow := own.Conn(t, "")
	done := make(chan error)
	go func() {
		done <- slow.Exec(t.Context(), "INSERT INTO "+quote(db)+".events_fence SELECT 7, 0, 111 WHERE sleep(1) = 0 SETTINGS log_comment = 'slow fence'")
	}()
	running := "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'slow fence'"
	for value[uint64](t, conn, running) == 0 {
		runtime.Gosched()
	}
	mustExec(t, conn, "INSERT INTO "+quote(db)+".events_fence VALUES (7, 0, 222)")
	if value[uint64](t, conn, running) == 0 {
		t.Fatal("the fence writes do not overlap: the first has ended")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := insertAs(t, conn, db, 111); err != nil {
		t.Fatalf("the last owner\n got %v\nwant <nil>", err)
	}
	own.Kill()
	own.Restart(t)
	conn = own.Conn(t, "")
	for _, owner := range []int{0, 111, 222} {
		if insertAs(t, conn, db, owner) == nil {
			t.Errorf("owner %d inserts after the restart", owner)
		}
	}
	fence(t, conn, db, 333)
	if err := insertAs(t, conn, db, 333); err != nil {
		t.Errorf("an owner of now\n got %v\nwant <nil>", err)
	}
}

// TestUpgradeReplacesFence: a fence on disk becomes one that forgets, under the same name
// and with nothing in it, and `events` still holds on to it.
func TestUpgradeReplacesFence(t *testing.T) {
	conn, db := newDatabase(t, "fence_on_disk")
	migrations, err := load(files(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	old := &upgrade{conn: conn, options: Options{Database: db}, files: files(t, nil)}
	if err := old.migrate(t.Context(), migrations[:6]); err != nil {
		t.Fatal(err)
	}
	fence(t, conn, db, 4)
	want := strings.ReplaceAll("replaced table DB.events_fence\ncreated table DB.events_filtered\n", "DB", db) + newestText(t)
	if got := mustApply(t, conn, Options{Database: db}).String(); got != want {
		t.Errorf("report\n got %s\nwant %s", got, want)
	}
	if insertAs(t, conn, db, 4) == nil {
		t.Error("an owner from before the upgrade still inserts")
	}
	fence(t, conn, db, 5)
	if err := insertAs(t, conn, db, 5); err != nil {
		t.Errorf("a new owner\n got %v\nwant <nil>", err)
	}
	if err := conn.Exec(t.Context(), "DROP TABLE "+quote(db)+".events_fence"); err == nil {
		t.Error("the fence was dropped while `events` stands")
	}
}

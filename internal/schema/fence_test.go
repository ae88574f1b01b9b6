package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

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

// TestFenceOutlivesTheEngine: after kill -9 the last owner still counts, however many
// there were.
func TestFenceOutlivesTheEngine(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	conn := own.Conn(t, "")
	db := own.Database(t)
	mustApply(t, conn, Options{Database: db})
	const last = 40
	for owner := range last + 1 {
		fence(t, conn, db, owner)
	}
	own.Kill()
	own.Restart(t)
	conn = own.Conn(t, "")
	fillEvents(t, conn, db, last, 3)
	for _, owner := range []int{0, 1, 9, last - 1} {
		if err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s.events (_stream, _partition, _owner) VALUES (7, 0, %d)", quote(db), owner)); err == nil {
			t.Errorf("owner %d of %d still inserts", owner, last)
		}
	}
}

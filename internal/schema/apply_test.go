package schema

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/config"
	"clickstream/internal/engine/enginetest"
)

// newDatabase returns a connection, and the name of a database that does not exist
// and is dropped when the test ends.
func newDatabase(t testing.TB, name string) (driver.Conn, string) {
	t.Helper()
	conn := enginetest.Start(t).Conn(t, "")
	name = fmt.Sprintf("%s_%p", name, t)
	t.Cleanup(func() {
		if err := conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+quote(name)+" SYNC"); err != nil {
			t.Error(err)
		}
	})
	return conn, name
}

func mustApply(t testing.TB, conn driver.Conn, o Options) Report {
	t.Helper()
	report, err := Apply(t.Context(), conn, o)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return report
}

func mustExec(t testing.TB, conn driver.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// value returns the one value of a query.
func value[T any](t testing.TB, conn driver.Conn, sql string) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// files are the real ones of config/clickhouse, and more.
func files(t testing.TB, more map[string]string) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	for name, content := range realFiles(t) {
		all[name] = &fstest.MapFile{Data: []byte(content)}
	}
	for name, content := range more {
		all[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return all
}

func TestApplyFreshThenAgain(t *testing.T) {
	conn, db := newDatabase(t, "fresh")
	o := Options{Database: db, EventsRetention: 90}

	want := strings.ReplaceAll(`created database DB
created table DB.schema_version
created table DB.events
created table DB.dead_letters
created table DB.events_fence
added constraint current_owner to DB.events
created table DB.pipeline_metrics
altered table DB.events
altered table DB.events
created table DB.events_repeated
created materialized view DB.find_repeated
created table DB.events_counted
created materialized view DB.count_events
created view DB.events_by_second
created table DB.events_delay
created materialized view DB.measure_delay
replaced table DB.events_fence
created table DB.events_filtered
retention of DB.events: 90 days
retention of DB.events_filtered: 90 days
`, "DB", db) + newestText(t)
	if got := mustApply(t, conn, o).String(); got != want {
		t.Errorf("first report\n got %s\nwant %s", got, want)
	}
	if got, want := mustApply(t, conn, o).String(), nothingToDo(t); got != want {
		t.Errorf("second report\n got %s\nwant %s", got, want)
	}
}

func TestApplyAtOnce(t *testing.T) {
	conn, db := newDatabase(t, "at_once")
	const inits = 8
	var wg sync.WaitGroup
	errs := make([]error, inits)
	for i := range inits {
		wg.Go(func() {
			own := enginetest.Start(t).Conn(t, "")
			_, errs[i] = Apply(t.Context(), own, Options{Database: db, EventsRetention: 7, DeadLettersRetention: 30})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got, want := mustApply(t, conn, Options{Database: db, EventsRetention: 7, DeadLettersRetention: 30}).String(), nothingToDo(t); got != want {
		t.Errorf("report after %d at once\n got %s\nwant %s", inits, got, want)
	}
}

// dyingConn is a process that is killed before its statement number left+1.
type dyingConn struct {
	driver.Conn
	left int
}

var errKilled = errors.New("killed")

func (c *dyingConn) Exec(ctx context.Context, sql string, args ...any) error {
	if c.left == 0 {
		return errKilled
	}
	c.left--
	return c.Conn.Exec(ctx, sql, args...)
}

func TestApplyAfterKillBetweenStatements(t *testing.T) {
	for k, done := 0, false; !done; k++ {
		conn, db := newDatabase(t, fmt.Sprint("killed_", k))
		o := Options{Database: db, EventsRetention: 90, DeadLettersRetention: 30}
		_, err := Apply(t.Context(), &dyingConn{conn, k}, o)
		if done = err == nil; !done && !errors.Is(err, errKilled) {
			t.Fatalf("killed after %d statements: %v", k, err)
		}
		if got, want := mustApply(t, conn, o).Version, newest(t); got != want {
			t.Errorf("killed after %d statements: version is %d after the next run, want %d", k, got, want)
		}
		if got, want := mustApply(t, conn, o).String(), nothingToDo(t); got != want {
			t.Errorf("killed after %d statements: third run\n got %s\nwant %s", k, got, want)
		}
		if k > 50 {
			t.Fatal("Apply never ends")
		}
	}
}

// Every statement may meet its own work: a run may be killed after it and before the
// version is noted.
func TestStatementsCanBeRepeated(t *testing.T) {
	conn, db := newDatabase(t, "repeated")
	migrations, err := load(files(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, m := range migrations {
			for _, statement := range m.statements {
				mustExec(t, conn, fillDatabase(statement, db))
			}
		}
	}
}

func TestUpgradeKeepsRows(t *testing.T) {
	conn, db := newDatabase(t, "upgrade")
	first := files(t, nil)
	maps.DeleteFunc(first, func(name string, _ *fstest.MapFile) bool { return name > "002" && migrationName.MatchString(name) })
	migrations, err := load(first)
	if err != nil {
		t.Fatal(err)
	}
	old := &upgrade{conn: conn, options: Options{Database: db}, files: first}
	if err := old.migrate(t.Context(), migrations); err != nil || old.report.Version != 1 {
		t.Fatalf("version 1: got version %d, error %v", old.report.Version, err)
	}
	fillEvents(t, conn, db, 0, 10_000) // no release before version 3 knew owners
	sum := "SELECT toString(count()) || ' ' || toString(sum(cityHash64(event_id, event_type, user_id, product_id, price, timestamp, received_at, inserted_at, _stream, _partition, _offset, _owner))) FROM " + quote(db) + ".events"
	before := value[string](t, conn, sum)

	next := files(t, map[string]string{fmt.Sprintf("%03d_campaign.sql", newest(t)+1): `
-- A column that later releases add, filled from what is there.
ALTER TABLE {database}.events ADD COLUMN IF NOT EXISTS campaign String DEFAULT concat('of ', user_id);`})
	report, err := apply(t.Context(), conn, Options{Database: db}, next)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll("created table DB.dead_letters\ncreated table DB.events_fence\nadded constraint current_owner to DB.events\ncreated table DB.pipeline_metrics\n"+
		"altered table DB.events\naltered table DB.events\ncreated table DB.events_repeated\ncreated materialized view DB.find_repeated\ncreated table DB.events_counted\ncreated materialized view DB.count_events\ncreated view DB.events_by_second\ncreated table DB.events_delay\ncreated materialized view DB.measure_delay\nreplaced table DB.events_fence\ncreated table DB.events_filtered\nadded column campaign to DB.events\n", "DB", db) + fmt.Sprint("schema is version ", newest(t)+1)
	if got := report.String(); got != want {
		t.Errorf("report\n got %s\nwant %s", got, want)
	}
	if after := value[string](t, conn, sum); after != before {
		t.Errorf("rows after the upgrade\n got %s\nwant %s", after, before)
	}
	if got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".events WHERE campaign = concat('of ', user_id)"); got != 10_000 {
		t.Errorf("rows with the new column filled: got %d, want 10000", got)
	}
}

// fillEvents adds rows of stream 7, partitions 0 to 2, with that owner.
func fillEvents(t testing.TB, conn driver.Conn, db string, owner, n int) {
	t.Helper()
	mustExec(t, conn, fmt.Sprintf(`INSERT INTO %s.events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset, _owner)
		SELECT generateUUIDv4(), 'purchase', concat('user_', toString(number %% 100)), 'prod_1', 9.99, now64(3), now64(3), 7, number %% 3, intDiv(number, 3), %d FROM numbers(%d)`, quote(db), owner, n))
}

// fence makes owner that of stream 7's partitions 0 to 2.
func fence(t testing.TB, conn driver.Conn, db string, owner int) {
	t.Helper()
	mustExec(t, conn, fmt.Sprintf("INSERT INTO %s.events_fence VALUES (7, 0, %d), (7, 1, %[2]d), (7, 2, %[2]d)", quote(db), owner))
}

func TestApplyRefusesNewerDatabase(t *testing.T) {
	conn, db := newDatabase(t, "newer")
	mustApply(t, conn, Options{Database: db})
	mustExec(t, conn, "INSERT INTO "+quote(db)+".schema_version (version, name) SELECT 99, 'later'")
	_, err := Apply(t.Context(), conn, Options{Database: db, EventsRetention: 1})
	want := fmt.Sprintf("database %q has schema version 99, this binary knows up to %d: schema is newer than this binary; run the release that made it, or a later one", db, newest(t))
	if !errors.Is(err, ErrNewer) || err.Error() != want {
		t.Errorf("Apply\n got %v\nwant %s", err, want)
	}
	if engine := value[string](t, conn, "SELECT engine_full FROM system.tables WHERE name = 'events' AND database = '"+db+"'"); strings.Contains(engine, "TTL") {
		t.Errorf("a newer database was changed: %s", engine)
	}
}

func TestApplyQuotesDatabaseName(t *testing.T) {
	for _, name := range []string{"with space", "back`tick", `back\slash`, "quote'; DROP DATABASE x; --", "{table}", "--", "снег ❄", "select", "{text}"} {
		t.Run(name, func(t *testing.T) {
			conn, db := newDatabase(t, name)
			o := Options{Database: db, EventsRetention: 90}
			mustApply(t, conn, o)
			fence(t, conn, db, 5)
			fillEvents(t, conn, db, 5, 3)
			if got, want := mustApply(t, conn, o).String(), nothingToDo(t); got != want {
				t.Errorf("second report\n got %s\nwant %s", got, want)
			}
			if got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".events"); got != 3 {
				t.Errorf("rows: got %d, want 3", got)
			}
		})
	}
}

func TestApplyErrorsSayWhatToDo(t *testing.T) {
	server := enginetest.Start(t)
	readonly := server.Options("")
	readonly.Settings = clickhouse.Settings{"readonly": 1}
	for name, tc := range map[string]struct {
		options *clickhouse.Options
		o       Options
		want    string
	}{
		"no rights":     {readonly, Options{Database: "never_made"}, "; run init as a user whose profile is not readonly"},
		"no database":   {server.Options(""), Options{}, "database: want a name of 1 to 200 bytes, got 0"},
		"dot in name":   {server.Options(""), Options{Database: "a.b"}, `database: want a name without a dot, got "a.b"`},
		"name too long": {server.Options(""), Options{Database: strings.Repeat("x", 201)}, "database: want a name of 1 to 200 bytes, got 201"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Apply(t.Context(), enginetest.Open(t, tc.options), tc.o)
			if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("Apply\n got %v\nwant ...%s", err, tc.want)
			}
		})
	}
}

// newest returns the version of this binary's schema: the number of its last file.
func newest(t testing.TB) int {
	t.Helper()
	all, err := load(config.ClickHouse())
	if err != nil {
		t.Fatal(err)
	}
	return int(all[len(all)-1].version)
}

func newestText(t testing.TB) string {
	t.Helper()
	return fmt.Sprint("schema is version ", newest(t))
}

func nothingToDo(t testing.TB) string {
	t.Helper()
	return "nothing to do, " + newestText(t)
}

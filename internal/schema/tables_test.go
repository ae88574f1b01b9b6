package schema

import (
	"fmt"
	"io/fs"
	"testing"
	"time"

	"clickstream/config"
)

func realFiles(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := fs.Glob(config.ClickHouse(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(config.ClickHouse(), name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(content)
	}
	return all
}

// A producer may write any time into its records: the block must land all the same,
// in one partition, and stay although its received_at is older than the retention.
func TestEventsInsertIsOnePartition(t *testing.T) {
	conn, db := newDatabase(t, "one_partition")
	mustApply(t, conn, Options{Database: db, EventsRetention: 30})
	mustExec(t, conn, `INSERT INTO `+quote(db)+`.events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset)
		SELECT generateUUIDv4(), 'page_view', 'u', 'p', 1, toDateTime64('1970-01-01 00:00:00', 3, 'UTC') + toIntervalDay(number) AS t, t, 0, 0, number FROM numbers(20000)`)
	mustExec(t, conn, "OPTIMIZE TABLE "+quote(db)+".events FINAL")
	if got := value[uint64](t, conn, "SELECT uniqExact(_partition_id) FROM "+quote(db)+".events"); got != 1 {
		t.Errorf("partitions: got %d, want 1", got)
	}
	if got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".events"); got != 20_000 {
		t.Errorf("rows: got %d, want 20000", got)
	}
}

func TestDeadLettersCountOnce(t *testing.T) {
	conn, db := newDatabase(t, "letters")
	mustApply(t, conn, Options{Database: db})
	for range 3 { // a crash between letter and commit repeats it
		mustExec(t, conn, `INSERT INTO `+quote(db)+`.dead_letters (reason, field, message, payload, received_at, _stream, _partition, _offset)
			SELECT 'wrong_type', 'price', 'want a number', '{"price":[]}', now64(3), 1, number % 3, number FROM numbers(300)`)
	}
	if got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+".dead_letters FINAL"); got != 300 {
		t.Errorf("letters: got %d, want 300", got)
	}
}

func TestRetentionChangesInPlace(t *testing.T) {
	conn, db := newDatabase(t, "retention")
	mustApply(t, conn, Options{Database: db, EventsRetention: 90, DeadLettersRetention: 90})
	for _, table := range []string{"events", "dead_letters"} {
		for _, days := range []int{0, 20, 60} {
			mustExec(t, conn, fmt.Sprintf("INSERT INTO %s.%s (inserted_at, _offset) SELECT now64(3) - toIntervalDay(%d), %[3]d", quote(db), table, days))
		}
	}
	for _, step := range []struct {
		o       Options
		want    string // the changes
		events  uint64 // rows that stay
		letters uint64
	}{
		{Options{Database: db, EventsRetention: 30, DeadLettersRetention: 90}, "retention of DB.events: 90 days -> 30 days\nretention of DB.events_filtered: 90 days -> 30 days", 2, 3},
		{Options{Database: db, EventsRetention: 0, DeadLettersRetention: 1}, "retention of DB.events: 30 days -> for ever\nretention of DB.events_filtered: 30 days -> for ever\nretention of DB.dead_letters: 90 days -> 1 day", 2, 1},
		{Options{Database: db, EventsRetention: 10, DeadLettersRetention: 1}, "retention of DB.events: for ever -> 10 days\nretention of DB.events_filtered: for ever -> 10 days", 1, 1},
	} {
		want := dbName(step.want, db) + "\n" + newestText(t)
		if got := mustApply(t, conn, step.o).String(); got != want {
			t.Errorf("report\n got %s\nwant %s", got, want)
		}
		awaitRows(t, db, "events", step.events)
		awaitRows(t, db, "dead_letters", step.letters)
	}

	mustExec(t, conn, "ALTER TABLE "+quote(db)+".events MODIFY TTL toDateTime(timestamp) + INTERVAL 1 YEAR")
	report := mustApply(t, conn, Options{Database: db, EventsRetention: 10, DeadLettersRetention: 1})
	if got, want := report.String(), dbName("retention of DB.events: TTL toDateTime(timestamp) + toIntervalYear(1) -> 10 days\n", db)+newestText(t); got != want {
		t.Errorf("report on a TTL set by hand\n got %s\nwant %s", got, want)
	}
}

// awaitRows merges until the server has dropped what is too old.
func awaitRows(t testing.TB, db, table string, want uint64) {
	t.Helper()
	conn, _ := newDatabase(t, "unused")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		mustExec(t, conn, "OPTIMIZE TABLE "+quote(db)+"."+table+" FINAL")
		got := value[uint64](t, conn, "SELECT count() FROM "+quote(db)+"."+table)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("rows of %s: got %d, want %d", table, got, want)
		}
	}
}

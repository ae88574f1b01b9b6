package schema

import (
	"fmt"
	"testing"
)

// TestEventsAreFound: a span of time of one type is read without the other types and times,
// which the order of `events` is for, and a batch of offsets without the rest of their
// partition, which the index `coordinate` is for: a read-back after each unknown outcome
// would read the whole table without it.
func TestEventsAreFound(t *testing.T) {
	conn, db := newDatabase(t, "found")
	mustApply(t, conn, Options{Database: db})
	fence(t, conn, db, 5)
	const n = 400_000 // some fifty granules
	mustExec(t, conn, fmt.Sprintf(`INSERT INTO %s.events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset, _owner)
		SELECT generateUUIDv4(), if(number %% 2 = 0, 'page_view', 'purchase'), 'u', 'p', 1, toDateTime64('2026-01-15 00:00:00', 3, 'UTC') + toIntervalSecond(cityHash64(number) %% 86400), now64(3), 7, 0, cityHash64(number) %% 86400 * 10 + number %% 10, 5
		FROM numbers(%d)`, quote(db), n))
	mustExec(t, conn, "OPTIMIZE TABLE "+quote(db)+".events FINAL")
	for name, where := range map[string]string{
		"an hour of one type": "event_type = 'purchase' AND timestamp >= '2026-01-15 12:00:00' AND timestamp < '2026-01-15 13:00:00'",
		"a batch of offsets":  "_stream = 7 AND _partition = 0 AND _offset BETWEEN 432000 AND 433000",
	} {
		read := value[uint64](t, conn, "SELECT toUInt64(sum(rows)) FROM (EXPLAIN ESTIMATE SELECT count(), max(price) FROM "+quote(db)+".events WHERE "+where+")")
		if read == 0 || read > n/10 {
			t.Errorf("%s: %d of %d rows are read, want a tenth or less", name, read, n)
		}
	}
}

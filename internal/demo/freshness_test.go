package demo

import (
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/schema"
)

// TestFreshnessCountsFromTheEvent: from the making of an event to its insert, not from
// its arrival in Kafka, which is later by what the producer took.
func TestFreshnessCountsFromTheEvent(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	if _, err := schema.Apply(t.Context(), s.Conn(t, ""), schema.Options{Database: db}); err != nil {
		t.Fatal(err)
	}
	r, err := newTableReader(login{s.Native, db, s.User, s.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	since, err := r.now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Query(t, db, `INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, inserted_at, _stream, _partition, _offset)
		SELECT generateUUIDv4(), 'purchase', 'user_1', 'prod_1', 1, now64(3) AS made, made + INTERVAL 4 SECOND, made + INTERVAL 5 SECOND, 0, 0, number FROM numbers(100)`)
	got, err := r.freshness(t.Context(), since)
	_, running, errRecent := r.recent(t.Context())
	if err != nil || errRecent != nil {
		t.Fatal(err, errRecent)
	}
	if want := 5 * time.Second; got != want || running.freshness != want {
		t.Errorf("freshness at the end %v and while it runs %v, want %v", got, running.freshness, want)
	}
}

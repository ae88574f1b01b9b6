package main

import (
	"math"
	"testing"
	"time"
)

// TestDefaults runs both pipelines for 30 seconds as they are shipped and checks
// what they promise, on the records and on the rows.
func TestDefaults(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil)
	consume.awaitReady(200)
	produce := s.pipeline("produce", nil)
	produce.awaitReady(200)
	s.awaitProduced(1)
	begin := time.Now()
	s.awaitProduced(3000)
	took := time.Since(begin).Seconds()
	produce.stop()
	s.drained()
	consume.stop()

	if rate := 2999 / took; math.Abs(rate-100) > 2 {
		t.Errorf("3000 events at %.1f a second, want 100 +-2", rate)
	}
	checkEvents(t, s.events())
	s.nothingMissing()
	s.allCommitted()
	if n := s.number("SELECT uniqExact(_partition) FROM clickstream.events"); n != 3 {
		t.Errorf("rows come from %d partitions, want 3", n)
	}
	if n := s.number("SELECT countIf(received_at < timestamp - 1 OR inserted_at < received_at) FROM clickstream.events"); n != 0 {
		t.Errorf("%d rows were received before they were made, or inserted before they were received", n)
	}
	if n := s.number("SELECT toUInt64(count() - uniqExact(_stream, _partition, _offset)) FROM clickstream.events"); n != 0 {
		t.Errorf("%d rows share a coordinate with another, though nothing was killed", n)
	}
}

// checkEvents checks users, types, partitions, and the order of each user's events.
func checkEvents(t *testing.T, records []record) {
	t.Helper()
	type place struct {
		partition int32
		last      time.Time
	}
	users, types, partitions := map[string]place{}, map[string]int{}, map[int32]int{}
	for _, r := range records {
		types[r.event.Type]++
		partitions[r.Partition]++
		user, known := users[r.event.User]
		if known && user.partition != r.Partition {
			t.Fatalf("%s has events in partitions %d and %d, want one", r.event.User, user.partition, r.Partition)
		}
		if r.event.Timestamp.Before(user.last) {
			t.Fatalf("%s: event at %d/%d is older than the one before it", r.event.User, r.Partition, r.Offset)
		}
		users[r.event.User] = place{r.Partition, r.event.Timestamp}
	}
	if len(users) != 500 {
		t.Errorf("%d users, want 500", len(users))
	}
	if len(types) != 3 || types["page_view"] <= types["add_to_cart"] || types["add_to_cart"] <= types["purchase"] {
		t.Errorf("events by type: %v, want the three types, views above carts above purchases", types)
	}
	if len(partitions) != 3 {
		t.Errorf("events by partition: %v, want three partitions", partitions)
	}
}

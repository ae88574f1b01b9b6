package main

import (
	"fmt"
	"testing"
)

// TestAuditFindsPlanted: the oracle of the storm sees each kind of damage, one row of
// it, and nothing where there is none.
func TestAuditFindsPlanted(t *testing.T) {
	s := newStack(t)
	l := s.startLedger(2_000)
	await(t, "records", func() error {
		if n := l.count(); n < 1_000 {
			return fmt.Errorf("%d acknowledged", n)
		}
		return nil
	})
	l.stop(t)
	consume := s.pipeline("consume", nil)
	s.awaitCommitted()
	consume.stop()
	s.exact()

	good, bad := l.acked[0], l.acked[0]
	for _, r := range l.acked {
		if r.n%badEvery == 0 {
			bad = r
		} else {
			good = r
		}
	}
	at := func(r ack) string {
		return fmt.Sprintf(" WHERE _partition = %d AND _offset = %d", r.partition, r.offset)
	}
	acked := l.acked
	const wait = " SETTINGS mutations_sync = 1"
	for _, damage := range []struct {
		name   string
		sql    string
		ledger []ack
		counts [4]int // lost, duplicated, wrong, foreign
	}{
		{name: "none"},
		{name: "a row twice", sql: "INSERT INTO clickstream.events SELECT * FROM clickstream.events" + at(good), counts: [4]int{0, 1, 0, 0}},
		{name: "no row", sql: "ALTER TABLE clickstream.events DELETE" + at(good) + wait, counts: [4]int{1, 0, 0, 0}},
		{name: "another price", sql: "ALTER TABLE clickstream.events UPDATE price = price + 0.0001" + at(acked[1]) + wait, counts: [4]int{1, 0, 1, 0}},
		{name: "a row of no record", sql: "INSERT INTO clickstream.events (event_id, event_type, _offset) VALUES (generateUUIDv4(), 1, 1000000)", counts: [4]int{1, 0, 2, 1}},
		{name: "no dead letter", sql: "ALTER TABLE clickstream.dead_letters DELETE" + at(bad) + wait, counts: [4]int{2, 0, 2, 1}},
		{name: "an acknowledged record that the topic lacks", ledger: []ack{{partition: 0, offset: 1 << 40, n: 1}}, counts: [4]int{3, 0, 2, 1}},
		{name: "an acknowledged record where another is", ledger: []ack{{partition: good.partition, offset: good.offset, n: good.n + 1}}, counts: [4]int{2, 0, 3, 1}},
	} {
		if damage.sql != "" {
			if err := s.connect().Exec(t.Context(), damage.sql); err != nil {
				t.Fatalf("%s: %v", damage.name, err)
			}
		}
		l.acked = append(acked[:len(acked):len(acked)], damage.ledger...)
		a := s.audit()
		a.checkLedger(l)
		if got := [4]int{a.lost, a.duplicated, a.wrong, a.foreign}; got != damage.counts {
			t.Errorf("%s: lost, duplicated, wrong, foreign: got %v, want %v\n%q", damage.name, got, damage.counts, a.examples)
		}
	}
}

package main

import (
	"testing"
	"time"
)

// blocks are the rows of each insert of one consumer, in their order, and when each was
// stored.
func (s *stack) blocks() (rows []uint64, at []time.Time) {
	s.t.Helper()
	conn := s.connect()
	answer, err := conn.Query(s.t.Context(), "SELECT count(), max(inserted_at) AS at FROM clickstream.events GROUP BY _part ORDER BY at")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Close()
	for answer.Next() {
		var n uint64
		var t time.Time
		if err := answer.Scan(&n, &t); err != nil {
			s.t.Fatal(err)
		}
		rows, at = append(rows, n), append(at, t)
	}
	return rows, at
}

// TestBlocksAsConfigured: a block is sent when it has max_rows rows, exactly, or when
// flush_interval is over, whichever comes first, through the shipped pipelines; however
// small the batches are that trickle in.
func TestBlocksAsConfigured(t *testing.T) {
	s := newStack(t)
	s.exec("SYSTEM STOP MERGES clickstream.events")
	consume := s.pipeline("consume", nil, "--set", "output.fallback.0.clickhouse.max_rows=1000", "--set", "output.fallback.0.clickhouse.flush_interval=5s")
	consume.awaitReady(200)
	produce := s.pipeline("produce", []string{"RATE=190"}) // one of both, by chance
	s.awaitNumber("SELECT toUInt64(uniqExact(_part) >= 5) FROM clickstream.events", 1)
	produce.stop()
	rows, at := s.blocks()
	for i := 1; i < 5; i++ { // before the first one the producer started
		if d := at[i].Sub(at[i-1]); rows[i] > 1000 || rows[i] < 1000 && d < 4900*time.Millisecond {
			t.Errorf("block %d: got %d rows after %s, want 1000, or fewer after 5s", i, rows[i], d)
		}
	}
	consume.stop()
}

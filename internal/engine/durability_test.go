package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/engine/enginetest"
)

const createRows = "CREATE TABLE rows (a UInt64, b String) ENGINE = MergeTree ORDER BY a"

// insertRows stores n rows that begin at from.
func insertRows(ctx context.Context, conn driver.Conn, from, n int) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO rows")
	if err != nil {
		return err
	}
	for i := from; i < from+n; i++ {
		if err := batch.Append(uint64(i), "row"); err != nil {
			return err
		}
	}
	return batch.Send()
}

// TestKillNine: what was acknowledged outlives SIGKILL, what was not is there as a
// whole or not at all.
func TestKillNine(t *testing.T) {
	const block = 2000
	s := enginetest.StartOwn(t, enginetest.Options{})
	execute(t, s.Conn(t, ""), "CREATE DATABASE kept", "CREATE TABLE default.rows (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	acknowledged, next := map[int]bool{}, 0
	for round := range 3 {
		blocks := make(chan int, 1000)
		conn := s.Conn(t, "")
		first := next
		go func() {
			defer close(blocks)
			for i := first; insertRows(context.Background(), conn, i*block, block) == nil; i++ {
				blocks <- i
			}
		}()
		for i := range blocks {
			acknowledged[i] = true
			if next = i + 2; i-first == 10 { // the one after it may be stored too
				s.Kill()
			}
		}
		s.Restart(t)
		counts := s.Query(t, "", fmt.Sprintf("SELECT intDiv(a, %d) AS block, count(), uniqExact(a) FROM rows GROUP BY block", block))
		for line := range strings.SplitSeq(counts, "\n") {
			var i, rows, distinct int
			if _, err := fmt.Sscan(line, &i, &rows, &distinct); err != nil || rows != block || distinct != block {
				t.Errorf("round %d: block %d: got %d rows, %d distinct (%v)\nwant %d", round, i, rows, distinct, err, block)
			}
			delete(acknowledged, i)
		}
		if len(acknowledged) > 0 {
			t.Errorf("round %d: acknowledged and lost: %v", round, acknowledged)
		}
	}
	if got := s.Query(t, "", "EXISTS DATABASE kept"); got != "1" {
		t.Error("database did not outlive the kill")
	}
}

// TestStop: SIGTERM lets a running insert end, exits 0, and the rows are there.
func TestStop(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{})
	conn := s.Conn(t, "")
	execute(t, conn, createRows)
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO rows")
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Append(uint64(1), "one"); err != nil {
		t.Fatal(err)
	}
	if err := batch.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "insert runs", func() bool { return running(t, s.Server, "INSERT INTO rows") == "1" })
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	eventually(t, "listener closed", func() bool { return !accepts(s.Native) })
	if err := batch.Send(); err != nil {
		t.Errorf("insert during the stop: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("exit: got %v\nwant 0", err)
	}
	s.Restart(t)
	if got := s.Query(t, "", "SELECT count() FROM rows"); got != "1" {
		t.Errorf("rows: got %s\nwant 1", got)
	}
}

// TestStopKills: a statement that does not end within the grace is killed.
func TestStopKills(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{Grace: 200 * time.Millisecond})
	conn := s.Conn(t, "")
	execute(t, conn, createRows)
	done := make(chan error, 1)
	go func() { done <- conn.Exec(context.Background(), endless) }()
	eventually(t, "statement runs", func() bool { return running(t, s.Server, endless) == "1" })
	if _, err := conn.PrepareBatch(t.Context(), "INSERT INTO rows"); err != nil { // and never ended
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("exit: got %v\nwant 0", err)
	}
	if err := <-done; err == nil {
		t.Error("killed statement: got no error")
	}
}

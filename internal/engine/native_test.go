package engine_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/engine/wire"
)

// TestNativeState: SET and USE last as long as their connection.
func TestNativeState(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	options := s.Options("")
	options.MaxOpenConns = 1
	conn := enginetest.Open(t, options)
	execute(t, conn, "USE "+db, "SET max_threads = 3")
	if got := scan[string](t, conn, "SELECT concat(currentDatabase(), ' ', toString(getSetting('max_threads')))"); got != db+" 3" {
		t.Errorf("state: got %s\nwant %s 3", got, db)
	}
	if got := scan[string](t, s.Conn(t, ""), "SELECT currentDatabase()"); got != "default" {
		t.Errorf("another connection's database: got %s\nwant default", got)
	}
}

// TestSelectsInARow: what a SELECT sets, or an error, is gone for the next one on the
// connection, whether or not the two share a session.
func TestSelectsInARow(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	options := s.Options(db)
	options.MaxOpenConns = 1
	conn := enginetest.Open(t, options)
	state := func(ctx context.Context, want string) {
		t.Helper()
		var got string
		if err := conn.QueryRow(ctx, "SELECT concat(currentDatabase(), ' ', toString(getSetting('max_threads')), ' ', toString(getSetting('readonly')))").Scan(&got); err != nil || got != db+" "+want {
			t.Errorf("state: got %s, %v\nwant %s %s", got, err, db, want)
		}
	}
	three := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 3, "readonly": 1}))
	for range 2 {
		state(three, "3 1")
		state(three, "3 1")
		if err := conn.Exec(three, "SELECT no_such_column"); code(err) != 47 {
			t.Errorf("unknown column: got %v\nwant code 47", err)
		}
		if err := conn.Exec(three, "CREATE TABLE no (a Int8) ENGINE = Memory"); code(err) != 164 {
			t.Errorf("create, read only: got %v\nwant code 164", err)
		}
		state(three, "3 1")
		execute(t, conn, "CREATE OR REPLACE TABLE yes (a Int8) ENGINE = Memory", "SET max_threads = 2")
		state(t.Context(), "2 0")
		if got := scan[uint8](t, conn, "SELECT toUInt8(getSetting('max_threads')) SETTINGS max_threads = 4"); got != 4 {
			t.Errorf("setting of the statement: got %d, want 4", got)
		}
		state(t.Context(), "2 0")
	}
}

// TestUnsupportedType: a type whose layout the front does not know is an error
// with a way out, not a hang.
func TestUnsupportedType(t *testing.T) {
	eachClient(t, protocols()[:1], func(t *testing.T, conn driver.Conn) {
		execute(t, conn, "CREATE TABLE t (a JSON) ENGINE = MergeTree ORDER BY tuple()")
		batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		if err = batch.Append(clickhouse.NewJSON()); err == nil {
			err = batch.Send()
		}
		if code(err) != 48 {
			t.Errorf("JSON: got %v\nwant code 48", err)
		}
		if got := scan[uint64](t, conn, "SELECT count() FROM t"); got != 0 {
			t.Errorf("rows: got %d\nwant 0", got)
		}
	})
}

// hello is a client's first packet.
func hello(revision uint64) []byte {
	b := wire.AppendString([]byte{0}, "test")
	b = append(b, 1, 0)
	b = binary.AppendUvarint(b, revision)
	for range 3 {
		b = wire.AppendString(b, "")
	}
	return b
}

// TestGarbage: whatever a client sends, the engine goes on for the others.
func TestGarbage(t *testing.T) {
	s := enginetest.Start(t)
	long := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	for name, sent := range map[string][]byte{
		"nothing":        nil,
		"HTTP":           []byte("GET / HTTP/1.1\r\n\r\n"),
		"long string":    append([]byte{0}, long...),
		"old client":     hello(54000),
		"unknown packet": append(hello(54460), 0x42),
		"long query id":  append(append(hello(54460), 1), long...),
		"cut query":      append(hello(54460), 1, 3, 'a'),
		"data, no query": append(hello(54460), 2, 0),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Native)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := conn.Write(sent); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("connection: %v\nwant it closed", err)
			}
		})
	}
	if got := s.Query(t, "", "SELECT 1"); got != "1" {
		t.Errorf("query after garbage: got %s", got)
	}
}

// TestIdleConnections: connections that only stand open do not take the engine's memory.
func TestIdleConnections(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	options := s.Options(db)
	options.MaxOpenConns = 1
	first := enginetest.Open(t, options)
	execute(t, first, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a", "INSERT INTO t SELECT number FROM numbers(100000)")
	const count = "SELECT count() FROM t"
	tracked := func() int64 {
		return scan[int64](t, first, "SELECT toInt64(value) FROM system.metrics WHERE metric = 'MemoryTracking'")
	}
	before := tracked()
	for range 200 {
		if got := scan[uint64](t, enginetest.Open(t, options), count); got != 100_000 {
			t.Fatalf("count: got %d, want 100000", got)
		}
	}
	if grown := (tracked() - before) >> 20; grown > 200 {
		t.Errorf("200 idle connections: the engine tracks %d MiB more, want at most 200", grown)
	}
}

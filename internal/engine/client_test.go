package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/engine/enginetest"
)

// client is one way clickhouse-go can be set to talk.
type client struct {
	protocol    clickhouse.Protocol
	compression clickhouse.CompressionMethod
}

func (c client) String() string {
	return c.protocol.String() + "-" + fmt.Sprint(c.compression)
}

// clients are all ways that a server of today supports.
func clients() []client {
	var all []client
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD} {
		all = append(all, client{clickhouse.Native, method}, client{clickhouse.HTTP, method})
	}
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionGZIP, clickhouse.CompressionDeflate, clickhouse.CompressionBrotli} {
		all = append(all, client{clickhouse.HTTP, method})
	}
	return all
}

// open connects a client to a database.
func (c client) open(t *testing.T, s enginetest.Server, database string) driver.Conn {
	t.Helper()
	o := s.Options(database)
	o.Protocol = c.protocol
	if c.protocol == clickhouse.HTTP {
		o.Addr = []string{s.HTTP}
	}
	o.Compression = &clickhouse.Compression{Method: c.compression}
	return enginetest.Open(t, o)
}

// eachClient runs a test with every client, each in a database of its own.
func eachClient(t *testing.T, clients []client, test func(t *testing.T, conn driver.Conn)) {
	s := enginetest.Start(t)
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			test(t, c.open(t, s, s.Database(t)))
		})
	}
}

// protocols are the clients that differ in more than compression.
func protocols() []client { return clients()[2:4] }

// within bounds what a test waits for.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// execute runs statements that must succeed.
func execute(t *testing.T, conn driver.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := conn.Exec(within(t, 30*time.Second), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// scan returns the only value of a query.
func scan[T any](t *testing.T, conn driver.Conn, sql string) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(within(t, 30*time.Second), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}

// running returns how many statements run whose text holds part.
func running(t *testing.T, s enginetest.Server, part string) string {
	t.Helper()
	return s.Query(t, "", "SELECT count() FROM system.processes WHERE position(query, '"+strings.ReplaceAll(part, "'", `\'`)+"') > 0 AND position(query, 'system.processes') = 0")
}

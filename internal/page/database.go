package page

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const (
	// dialTimeout and pingTimeout keep a missing server from going unnoticed for more
	// than 3 s.
	dialTimeout = time.Second
	pingTimeout = 2 * time.Second
	// queryTimeout is what one panel may take; the server gets it as max_execution_time.
	queryTimeout = 20 * time.Second
	// maxRows is far beyond what a screen shows, and bounds our memory.
	maxRows = 20_000
	// maxBytes is what the server may send for one panel, whatever the rows hold.
	maxBytes = 32 << 20
	// maxConnections leaves most of the server to those who write.
	maxConnections = 3
)

// database reads; the server itself refuses everything else from it.
type database struct {
	conn driver.Conn
	// name is what errors call the server.
	name string
	gate chan struct{} // one token a query that runs
}

func openDatabase(o clickhouse.Options) (*database, error) {
	o.DialTimeout = dialTimeout
	o.ReadTimeout = queryTimeout + pingTimeout
	o.MaxOpenConns, o.MaxIdleConns = maxConnections+1, maxConnections+1 // one beside the panels' for the pulse
	o.Settings = clickhouse.Settings{
		"readonly":               1,
		"max_execution_time":     int(queryTimeout / time.Second),
		"max_result_rows":        maxRows,
		"max_result_bytes":       maxBytes,
		"result_overflow_mode":   "throw",
		"max_threads":            2,
		"use_uncompressed_cache": 0,
	}
	conn, err := clickhouse.Open(&o)
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	return &database{conn: conn, name: strings.Join(o.Addr, ","), gate: make(chan struct{}, maxConnections)}, nil
}

// query runs one statement and returns its columns, and how long the server took.
func (d *database) query(ctx context.Context, sql string) (columns []column, took time.Duration, err error) {
	select {
	case d.gate <- struct{}{}:
		defer func() { <-d.gate }()
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	begin := time.Now()
	columns, err = d.read(ctx, sql)
	return columns, time.Since(begin), err
}

func (d *database) read(ctx context.Context, sql string) ([]column, error) {
	rows, err := d.conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var columns []column
	var into []any
	for _, t := range rows.ColumnTypes() {
		columns = append(columns, column{name: t.Name(), kind: kindOfType(t.ScanType()), values: []any{}})
		into = append(into, reflect.New(t.ScanType()).Interface())
	}
	for n := 0; rows.Next(); n++ {
		if n == maxRows {
			return nil, fmt.Errorf("more than %d rows: LIMIT the query", maxRows)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i := range columns {
			columns[i].values = append(columns[i].values, plain(reflect.ValueOf(into[i]).Elem()))
		}
	}
	return columns, rows.Err()
}

// pulse is what the page asks for first, and often: whether the server answers, and
// when a row was last stored. It reads the parts' metadata only.
type pulse struct {
	at     time.Time // the server's clock
	newest time.Time // of the last row; zero: there is none
	err    error
}

const pulseSQL = `SELECT now64(3), max(inserted_at), count() FROM events`

func (d *database) pulse(ctx context.Context) (p pulse) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var rows uint64
	p.err = d.conn.QueryRow(ctx, pulseSQL).Scan(&p.at, &p.newest, &rows)
	if errors.Is(p.err, context.DeadlineExceeded) {
		p.err = fmt.Errorf("clickhouse %s: no answer within %s: %w", d.name, pingTimeout, p.err)
	}
	if rows == 0 {
		p.newest = time.Time{}
	}
	return p
}

// Counts are the records seen so far.
type Counts struct {
	Total uint64 `json:"total"`
	// Good are rows of events, Bad dead letters, each record once.
	Good uint64 `json:"good"`
	Bad  uint64 `json:"bad"`
}

const countsSQL = `SELECT toUInt64((SELECT count() FROM events)), toUInt64((SELECT count() FROM dead_letters FINAL))`

func (d *database) counts(ctx context.Context) (c Counts, err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err = d.conn.QueryRow(ctx, countsSQL).Scan(&c.Good, &c.Bad)
	c.Total = c.Good + c.Bad
	return c, err
}

// Failure is an error as a card shows it: the server's own words, and its code.
type Failure struct {
	Message string `json:"message"`
	Code    int32  `json:"code,omitempty"`
}

func failureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return &Failure{Message: e.Message, Code: e.Code}
	}
	return &Failure{Message: err.Error()}
}

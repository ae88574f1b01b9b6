package main

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A partCounter counts the parts that inserts made in a table. The server numbers a
// table's new parts one by one, and a merged part keeps the highest number that went
// into it, so the growth of that number is exact however soon parts are merged away.
// (A change of the table's TTL takes a number too: measure without one.)
type partCounter struct {
	conn  driver.Conn
	table string
}

// highest returns the number of the newest part; 0 if there is none.
func (p partCounter) highest(ctx context.Context) (int64, error) {
	var n int64
	err := p.conn.QueryRow(ctx, "SELECT max(max_block_number) FROM system.parts WHERE database = currentDatabase() AND table = ?", p.table).Scan(&n)
	return n, err
}

// rate counts parts and the most of them between two calls of look.
type rate struct {
	first, last int64
	start, seen time.Time
	most        float64
}

// look takes the highest number at a moment. Looks should be a second apart.
func (r *rate) look(highest int64, now time.Time) {
	if r.start.IsZero() {
		r.first, r.start = highest, now
	} else if d := now.Sub(r.seen).Seconds(); d > 0 {
		r.most = max(r.most, float64(highest-r.last)/d)
	}
	r.last, r.seen = highest, now
}

func (r *rate) count() int64 { return r.last - r.first }

func (r *rate) perSecond() float64 {
	if d := r.seen.Sub(r.start).Seconds(); d > 0 {
		return float64(r.count()) / d
	}
	return 0
}

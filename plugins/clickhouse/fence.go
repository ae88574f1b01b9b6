package clickhouse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"clickstream/plugins/clickhouse/exactlyonce"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// fenced is a server's table with its fence: what the protocol asks of a server, but
// for the insert.
type fenced struct {
	*server
	stats *stats
	// below is the lowest offset on offer of each partition: a bound for max(_offset),
	// which would read the whole partition without it.
	below map[exactlyonce.Partition]int64
	table uint64 // a hash of the table's full name
	id    string // the column of event ids, quoted; empty if there is none
}

// complete are the settings of a read that must be whole or fail: no profile may make
// the server stop early in silence, or answer from before.
var complete = driver.Settings{
	"result_overflow_mode": "throw", "read_overflow_mode": "throw", "timeout_overflow_mode": "throw",
	"max_result_rows": 0, "limit": 0, "offset": 0, "use_query_cache": 0,
}

// name learns the table's full name, under which other writers look for our inserts.
func (f *fenced) name(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	database := f.config.database
	if database == "" {
		if err := f.conn.QueryRow(ctx, "SELECT currentDatabase()").Scan(&database); err != nil {
			return err
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(quote(database) + "." + quote(f.config.table)))
	f.table = h.Sum64()
	return nil
}

func (f *fenced) prepare(ctx context.Context) (*plan, error) {
	p, err := f.server.prepare(ctx)
	if err != nil {
		return nil, err
	}
	f.id = ""
	if c := idColumn(p); c >= 0 {
		f.id = quote(p.bindings[c].column)
	}
	return p, nil
}

// offer notes the lowest offset of rows of a partition.
func (f *fenced) offer(p exactlyonce.Partition, rows []exactlyonce.Row) {
	low, ok := f.below[p]
	if !ok {
		low = rows[0].Offset
	}
	for i := range rows {
		low = min(low, rows[i].Offset)
	}
	f.below[p] = low
}

// Fence implements exactlyonce.Table.
func (f *fenced) Fence(ctx context.Context, claims []exactlyonce.Claim) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	values := make([]string, len(claims))
	for i, c := range claims {
		values[i] = fmt.Sprintf("(%d, %d, %d)", c.Stream, c.Number, c.Owner)
	}
	f.stats.fences.Incr(int64(len(claims)))
	return f.conn.Exec(f.with(ctx), "INSERT INTO "+f.config.quotedFence()+" (_stream, _partition, owner) VALUES "+strings.Join(values, ", "))
}

// marker is what the log_comment of an insert holds for each partition in it, and
// claim what it holds for the partition under that owner.
func (f *fenced) marker(p exactlyonce.Partition) string {
	return fmt.Sprintf(" %x/%d/%d=", f.table, p.Stream, p.Number)
}

func (f *fenced) claim(c exactlyonce.Claim) string {
	return fmt.Sprintf("%s%d;", f.marker(c.Partition), c.Owner)
}

func (f *fenced) claims(pieces []exactlyonce.Piece) string {
	comment := "clickstream"
	for _, p := range pieces {
		comment += f.claim(p.Claim)
	}
	return comment
}

// How long Drain waits for inserts that it has killed, and how often it looks.
const (
	drainTime = time.Second
	drainLook = 20 * time.Millisecond
)

var errBusy = errors.New("inserts of other owners still run")

// Drain implements exactlyonce.Table. It looks for log_comment, not for query_id, which
// some servers choose themselves.
func (f *fenced) Drain(ctx context.Context, claims []exactlyonce.Claim) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	others := make([]string, len(claims))
	for i, c := range claims {
		others[i] = fmt.Sprintf("(position(Settings['log_comment'], '%s') > 0 AND position(Settings['log_comment'], '%s') = 0)", f.marker(c.Partition), f.claim(c))
	}
	where := strings.Join(others, " OR ")
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for killed, late := false, time.After(drainTime); ; {
		var running uint64
		err := f.conn.QueryRow(f.whole(ctx), "SELECT count() FROM system.processes WHERE "+where).Scan(&running)
		if err != nil || running == 0 {
			return err
		}
		if !killed {
			// SYNC would wait for a client that was stopped in the middle of its rows.
			if err := f.conn.Exec(ctx, "KILL QUERY WHERE "+where+" ASYNC"); err != nil {
				return err
			}
			f.stats.kills.Incr(int64(running))
			killed = true
		}
		select {
		case <-tick.C:
		case <-late:
			return errBusy
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Tops implements exactlyonce.Table. It looks no further down than the lowest offset on
// offer: below it nothing counts as absent.
func (f *fenced) Tops(ctx context.Context, partitions []exactlyonce.Partition) (map[exactlyonce.Partition]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	tops := map[exactlyonce.Partition]int64{}
	where := make([]string, len(partitions))
	for i, p := range partitions {
		low := f.below[p]
		if low > 0 {
			tops[p] = low - 1
		}
		where[i] = fmt.Sprintf("(_stream = %d AND _partition = %d AND _offset >= %d)", p.Stream, p.Number, low)
	}
	err := f.each(ctx, "SELECT _stream, _partition, max(_offset) FROM "+f.config.quotedTable()+
		" WHERE "+strings.Join(where, " OR ")+" GROUP BY _stream, _partition", func(rows api.Rows) error {
		var p exactlyonce.Partition
		var top int64
		err := rows.Scan(&p.Stream, &p.Number, &top)
		tops[p] = top
		return err
	})
	return tops, err
}

// Read implements exactlyonce.Table.
func (f *fenced) Read(ctx context.Context, ranges []exactlyonce.Range, seen func(exactlyonce.Partition, int64, exactlyonce.ID)) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	where := make([]string, len(ranges))
	for i, r := range ranges {
		where[i] = fmt.Sprintf("(_stream = %d AND _partition = %d AND _offset BETWEEN %d AND %d)", r.Stream, r.Number, r.First, r.Last)
	}
	id := "''"
	if f.id != "" {
		id = "hex(ifNull(" + f.id + ", toUUID('00000000-0000-0000-0000-000000000000')))"
	}
	n := int64(0)
	defer func() { f.stats.readBack.Incr(n) }()
	return f.each(ctx, "SELECT _stream, _partition, _offset, "+id+" FROM "+f.config.quotedTable()+" WHERE "+strings.Join(where, " OR "), func(rows api.Rows) error {
		var p exactlyonce.Partition
		var offset int64
		var text string
		if err := rows.Scan(&p.Stream, &p.Number, &offset, &text); err != nil {
			return err
		}
		id, err := parseID(text)
		seen(p, offset, id)
		n++
		return err
	})
}

// parseID reads the hexadecimal form of a UUID into the form that a block has: each
// half's bytes from the last to the first.
func parseID(text string) (id exactlyonce.ID, err error) {
	if text == "" {
		return id, nil
	}
	if n, err := hex.Decode(id[:], []byte(text)); err != nil || n != len(id) {
		return id, fmt.Errorf("event id: want 32 hexadecimal digits, got %d bytes", len(text))
	}
	slices.Reverse(id[:8])
	slices.Reverse(id[8:])
	return id, nil
}

// each calls f for every row of a query's answer.
func (f *fenced) each(ctx context.Context, sql string, row func(api.Rows) error) error {
	rows, err := f.conn.Query(f.whole(ctx), sql)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in Err
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (f *fenced) whole(ctx context.Context) context.Context {
	return driver.Context(ctx, driver.WithSettings(maps.Clone(complete)))
}

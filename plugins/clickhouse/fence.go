package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"strings"
	"time"

	"clickstream/plugins/clickhouse/exactlyonce"

	driver "github.com/ClickHouse/clickhouse-go/v2"
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
	place place  // the server that was met at the start
	whole driver.Settings
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
	if f.whole, err = f.known(ctx, complete); err != nil {
		return nil, err
	}
	maps.Copy(f.whole, f.settings) // the fence is written under those of an insert
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

// Fence implements exactlyonce.Table. It writes on the server that was met at the start,
// and nowhere else: what names a claim from then on succeeds only there.
func (f *fenced) Fence(ctx context.Context, claims []exactlyonce.Claim) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	values := make([]string, len(claims))
	for i, c := range claims {
		values[i] = fmt.Sprintf("(%d, %d, %d)", c.Stream, c.Number, c.Owner)
	}
	f.stats.fences.Incr(int64(len(claims)))
	err := f.conn.Exec(f.asked(ctx), "INSERT INTO "+f.config.quotedFence()+" (_stream, _partition, owner) SELECT c.1, c.2, c.3 FROM (SELECT arrayJoin(["+
		strings.Join(values, ", ")+"]) AS c) WHERE throwIf("+f.config.placeSQL()+" != '"+f.place.id+"') = 0")
	var exception *driver.Exception
	if errors.As(err, &exception) && exception.Code == thrown {
		return f.astray("another server")
	}
	return err
}

// thrown is the code of throwIf.
const thrown = 395

// asked are the settings of what the protocol asks the server.
func (f *fenced) asked(ctx context.Context) context.Context {
	return driver.Context(ctx, driver.WithSettings(maps.Clone(f.whole)))
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
		var at string
		err := f.conn.QueryRow(f.asked(ctx), "SELECT count(), "+f.config.placeSQL()+" FROM system.processes WHERE "+where).Scan(&running, &at)
		if err == nil {
			err = f.stayed(at)
		}
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

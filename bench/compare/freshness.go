package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// look is the pause between two counts of the table; it makes freshness look worse by
// half of it, never better.
const look = 10 * time.Millisecond

// visible is how many rows a reader saw at a moment: when it had the answer.
type visible struct {
	at   time.Time
	rows int64
}

// observer counts a table's rows all the time. Rows become visible in whole inserts,
// and all rows of one have the same inserted_at. So the counts say when each insert
// was seen, and with one writer, whose inserts do not overtake each other, that gives
// the delay of every event without a query that reads rows.
type observer struct {
	stage    *stage.Stage
	database string
	seen     []visible
	stop     context.CancelFunc
	done     chan error
}

func observe(ctx context.Context, s *stage.Stage, database string) *observer {
	ctx, stop := context.WithCancel(ctx)
	o := &observer{stage: s, database: database, stop: stop, done: make(chan error, 1)}
	go func() { o.done <- o.run(ctx) }()
	return o
}

func (o *observer) run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		n, err := rows(ctx, o.stage, o.database)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if len(o.seen) == 0 || n != o.seen[len(o.seen)-1].rows {
			o.seen = append(o.seen, visible{time.Now(), n})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// end stops counting.
func (o *observer) end() error {
	o.stop()
	return <-o.done
}

// unseen is the events of a window that did not become rows: they have been under way
// for as long as the window is over, at least.
func (o *observer) unseen(delays []report.Delay, before, after counts) report.Delay {
	missing := after.records - before.records
	for _, d := range delays {
		missing -= int64(d.Events)
	}
	return report.Delay{Took: o.seen[len(o.seen)-1].at.Sub(after.at), Events: uint64(max(missing, 0))}
}

// group is the events of one insert that were made in the same millisecond.
type group struct {
	inserted, made time.Time
	events         uint64
}

// delays returns how long the events took that were made in a window. Call it after
// end.
func (o *observer) delays(ctx context.Context, from, to time.Time) ([]report.Delay, error) {
	found, err := o.stage.Conn.Query(ctx, fmt.Sprintf("SELECT inserted_at, timestamp, count() FROM %s.events GROUP BY 1, 2 ORDER BY 1, 2", o.database))
	if err != nil {
		return nil, fmt.Errorf("freshness: %w", err)
	}
	defer found.Close()
	var groups []group
	for found.Next() {
		var g group
		if err := found.Scan(&g.inserted, &g.made, &g.events); err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return match(groups, o.seen, from, to), found.Err()
}

// match gives each group, in the order of inserts, the moment at which its insert was
// seen. What was never seen took at least until the last count.
func match(groups []group, seen []visible, from, to time.Time) (delays []report.Delay) {
	var sum int64
	for i := 0; i < len(groups); {
		end := i
		for ; end < len(groups) && groups[end].inserted.Equal(groups[i].inserted); end++ {
			sum += int64(groups[end].events)
		}
		at, ok := slices.BinarySearchFunc(seen, sum, func(v visible, sum int64) int { return int(v.rows - sum) })
		if !ok && at == len(seen) {
			at--
		}
		for ; i < end; i++ {
			if made := groups[i].made; !made.Before(from) && made.Before(to) {
				delays = append(delays, report.Delay{Took: seen[at].at.Sub(made), Events: groups[i].events})
			}
		}
	}
	return delays
}

// rows counts what the table of a database holds.
func rows(ctx context.Context, s *stage.Stage, database string) (n int64, err error) {
	err = s.Conn.QueryRow(ctx, "SELECT toInt64(count()) FROM "+database+".events").Scan(&n)
	return n, err
}

// newest is the number of the table's newest part. The server numbers the parts that
// inserts make one by one, and a merged part keeps the highest number that went into
// it, so its growth counts inserts exactly, however soon parts are merged away.
func newest(ctx context.Context, s *stage.Stage, database string) (n int64, err error) {
	err = s.Conn.QueryRow(ctx, "SELECT max(max_block_number) FROM system.parts WHERE database = ? AND table = 'events'", database).Scan(&n)
	return n, err
}

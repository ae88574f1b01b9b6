package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// enough is how many samples a p99 needs to mean something.
const enough = 1000

// settle is how long no event of the window may turn up before the window counts as
// seen whole. Without it the slowest events would be left out.
const settle = 3 * time.Second

// overlap is how far back each poll looks again: inserts that ran side by side become
// visible in another order than their inserted_at.
const overlap = 3 * time.Second

type freshnessConfig struct {
	server
	window, poll time.Duration
	every        uint64
}

// freshness prints how long after it was made an event is visible to a reader.
func freshness(ctx context.Context, args []string, out io.Writer) error {
	var c freshnessConfig
	f := flag.NewFlagSet("freshness", flag.ContinueOnError)
	f.SetOutput(out)
	c.flags(f)
	f.DurationVar(&c.window, "for", time.Minute, "events made in this `time` are the samples")
	f.DurationVar(&c.poll, "poll", 5*time.Millisecond, "pause between two polls")
	f.Uint64Var(&c.every, "every", 1, "sample one of `N` events; at high rates the reader would cost too much")
	f.String("kafka", "", "ignored: the reader asks ClickHouse only")
	if err := parse(f, args); err != nil {
		return err
	}
	if c.window <= 0 || c.poll <= 0 || c.every == 0 {
		return &usageError{errors.New("--for, --poll and --every: want more than 0")}
	}
	conn, err := c.open()
	if err != nil {
		return err
	}
	defer conn.Close()
	w := &watch{freshnessConfig: c, conn: conn, seen: map[uuid.UUID]bool{}}
	if err := w.run(ctx); err != nil {
		return err
	}
	w.print(out)
	if len(w.samples) == 0 {
		return errors.New("no event was made in the window; is the producer running, and the clock of this machine right?")
	}
	return nil
}

// watch polls for event ids and notes when it first sees each.
type watch struct {
	freshnessConfig
	conn    driver.Conn
	seen    map[uuid.UUID]bool
	samples []time.Duration
	newest  time.Time // the highest inserted_at so far
	parts   rate
	polls   int
	spent   time.Duration // in polls
}

func (w *watch) run(ctx context.Context) error {
	start := time.Now()
	end := start.Add(w.window)
	w.newest = start
	lastNew := start
	counter := partCounter{w.conn, "events"}
	tick := time.NewTicker(w.poll)
	defer tick.Stop()
	for time.Now().Before(end) || time.Since(lastNew) < settle {
		n, err := w.look(ctx, start, end)
		if err != nil {
			return fmt.Errorf("poll for events: %w", err)
		}
		if n > 0 {
			lastNew = time.Now()
		}
		if now := time.Now(); w.parts.start.IsZero() || now.Sub(w.parts.seen) >= time.Second && now.Before(end.Add(time.Second)) {
			highest, err := counter.highest(ctx)
			if err != nil {
				return fmt.Errorf("poll for parts: %w", err)
			}
			w.parts.look(highest, now)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// look polls once and returns how many events of the window it had not seen before.
func (w *watch) look(ctx context.Context, start, end time.Time) (fresh int, _ error) {
	asked := time.Now()
	rows, err := w.conn.Query(ctx, `SELECT event_id, timestamp, inserted_at FROM events
		WHERE inserted_at >= fromUnixTimestamp64Milli(?) AND timestamp >= fromUnixTimestamp64Milli(?)
		AND timestamp < fromUnixTimestamp64Milli(?) AND cityHash64(event_id) % ? = 0`,
		w.newest.Add(-overlap).UnixMilli(), start.UnixMilli(), end.UnixMilli(), w.every)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var made []time.Time // of the events that are new
	for rows.Next() {
		var id uuid.UUID
		var timestamp, inserted time.Time
		if err := rows.Scan(&id, &timestamp, &inserted); err != nil {
			return 0, err
		}
		if inserted.After(w.newest) {
			w.newest = inserted
		}
		if !w.seen[id] {
			w.seen[id] = true
			made = append(made, timestamp)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	visible := time.Now() // the reader has the whole answer: later than the truth, never earlier
	for _, m := range made {
		w.samples = append(w.samples, visible.Sub(m))
	}
	w.polls++
	w.spent += visible.Sub(asked)
	return len(made), nil
}

func (w *watch) print(out io.Writer) {
	s := sorted(w.samples)
	warn := ""
	if len(s) < enough {
		warn = fmt.Sprintf(" (fewer than %d: raise --for)", enough)
	}
	fmt.Fprintf(out, "freshness, event made -> row visible: p50 %s, p90 %s, p99 %s, max %s\n",
		millis(quantile(s, 0.5)), millis(quantile(s, 0.9)), millis(quantile(s, 0.99)), millis(quantile(s, 1)))
	fmt.Fprintf(out, "samples: %d events made within %s%s; %d polls, %s each\n",
		len(s), w.window, warn, w.polls, millis(w.spent/time.Duration(max(w.polls, 1))))
	fmt.Fprintf(out, "new parts of events: %d, %.2f a second on average, %.1f in the worst second\n",
		w.parts.count(), w.parts.perSecond(), w.parts.most)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

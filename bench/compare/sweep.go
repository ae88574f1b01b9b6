package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// One load is offered for settle, from its first row on, before it counts; then it
// counts for window.
const (
	settle = 2 * time.Second
	// startLimit is how long a producer and a consumer may take to store a first row.
	startLimit = time.Minute
	window     = 15 * time.Second
	// catchUp is how long the events of the window may take to become visible after
	// it. A consumer that is overloaded does not get there: what is unseen then counts
	// as seen at that moment, so its delays look better than they are.
	catchUp = 5 * time.Second
)

// load is what came of one offered rate.
type load struct {
	Player           string
	Offered          int     // events a second
	Produced, Stored float64 // records written, and rows that became visible, a second
	P50, P99, Max    float64 // milliseconds from event made to row visible
	Parts            float64 // new ones a second
	Caught           bool    // all events of the window were seen
}

// sweep offers one rate after the other to each player.
func sweep(ctx context.Context, s *stage.Stage, players []player, rates []int, say func(string, ...any)) (all []load, _ error) {
	for _, rate := range rates {
		for _, p := range players {
			if p.most > 0 && rate > p.most {
				continue
			}
			l, err := offer(ctx, s, p, rate)
			if err != nil {
				return all, fmt.Errorf("%s at %d events/s: %w", p.name, rate, err)
			}
			say("%-14s %7d events/s offered, %7.0f stored, fresh p50 %6.0f ms p99 %6.0f ms, %.2f parts/s", p.name, rate, l.Stored, l.P50, l.P99, l.Parts)
			all = append(all, l)
		}
	}
	return all, nil
}

// offer has a producer write at a rate, and a consumer keep up or not.
func offer(ctx context.Context, s *stage.Stage, p player, rate int) (l load, err error) {
	j := job{topic: unique("load"), database: unique("load"), group: unique("load"), rate: rate}
	if err := s.Topic(ctx, j.topic, partitions); err != nil {
		return l, err
	}
	if err := s.Database(ctx, j.database, p.table); err != nil {
		return l, err
	}
	consumer, err := p.start(s, j)
	if err != nil {
		return l, err
	}
	l, err = watch(ctx, s, j)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, consumer.Tail())
	}
	_, stopped := consumer.Stop()
	l.Player = p.name
	return l, errors.Join(err, stopped, s.DropTopic(ctx, j.topic), s.Drop(ctx, j.database))
}

// watch is the window: it ends when all events of it are visible, or should be.
func watch(ctx context.Context, s *stage.Stage, j job) (l load, err error) {
	producer, err := produceOurs.start(s, j)
	if err != nil {
		return l, err
	}
	o := observe(ctx, s, j.database)
	before, after, err := bounds(ctx, s, j)
	_, stopped := producer.Stop()
	if err := errors.Join(err, stopped); err != nil {
		_ = o.end()
		return l, err
	}
	caught, err := catch(ctx, s, j)
	if err := errors.Join(err, o.end()); err != nil {
		return l, err
	}
	delays, err := o.delays(ctx, before.at, after.at)
	if !caught {
		delays = append(delays, o.unseen(delays, before, after))
	}
	seconds := after.at.Sub(before.at).Seconds()
	return load{
		Offered: j.rate, Caught: caught,
		Produced: float64(after.records-before.records) / seconds,
		Stored:   float64(after.rows-before.rows) / seconds,
		Parts:    float64(after.parts-before.parts) / seconds,
		P50:      millis(report.Quantile(delays, 0.5)), P99: millis(report.Quantile(delays, 0.99)), Max: millis(report.Quantile(delays, 1)),
	}, err
}

// bounds waits the window out and counts at its begin and at its end.
func bounds(ctx context.Context, s *stage.Stage, j job) (before, after counts, err error) {
	if err = running(ctx, s, j); err != nil {
		return before, after, err
	}
	if before, err = count(ctx, s, j); err != nil {
		return before, after, err
	}
	if err = pause(ctx, window); err != nil {
		return before, after, err
	}
	after, err = count(ctx, s, j)
	return before, after, err
}

// running returns once rows have been coming in for settle.
func running(ctx context.Context, s *stage.Stage, j job) error {
	start, err := rows(ctx, s, j.database)
	if err != nil {
		return err
	}
	for end := time.Now().Add(startLimit); ; {
		n, err := rows(ctx, s, j.database)
		if err != nil {
			return err
		}
		if n > start {
			return pause(ctx, settle)
		}
		if time.Now().After(end) {
			return fmt.Errorf("no row after %s", startLimit)
		}
		if err := pause(ctx, poll); err != nil {
			return err
		}
	}
}

// counts is how far producer and consumer are.
type counts struct {
	at                   time.Time
	records, rows, parts int64
}

func count(ctx context.Context, s *stage.Stage, j job) (c counts, err error) {
	c.at = time.Now()
	if c.records, err = s.Records(ctx, j.topic); err != nil {
		return c, err
	}
	if c.rows, err = rows(ctx, s, j.database); err != nil {
		return c, err
	}
	c.parts, err = newest(ctx, s, j.database)
	return c, err
}

// catch waits until all records of the topic are rows, and tells whether they are.
func catch(ctx context.Context, s *stage.Stage, j job) (bool, error) {
	end := time.Now().Add(catchUp)
	for time.Now().Before(end) {
		c, err := count(ctx, s, j)
		if err != nil {
			return false, err
		}
		if c.rows >= c.records {
			return true, nil
		}
		if err := pause(ctx, poll); err != nil {
			return false, err
		}
	}
	return false, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// The question: does an event cost more in a table that is large already?
const (
	bigRows   = 100_000_000
	bigRate   = 50_000 // events a second, for bigWindow
	bigWindow = 2 * time.Minute
	bigRounds = 3
	// lately is more than any view looks back.
	lately = 20 * time.Minute
	// idle is how long nothing may run before the filled table counts as settled.
	idle      = 10 * time.Second
	idleLimit = 10 * time.Minute
)

// grown is the CPU time of an event, client and engine together with its merges.
type grown struct{ empty, full report.Spread }

// big measures an empty table and a large one in turns, on the embedded broker.
func big(ctx context.Context, o options) error {
	return on(ctx, o, func(s *stage.Stage) error {
		full := unique("big")
		if err := fillTable(ctx, s, o, full); err != nil {
			return err
		}
		var g grown
		var empties, fulls []float64
		for range min(o.rounds, bigRounds) {
			empty := unique("small")
			if err := s.Database(ctx, empty, stage.Guarded); err != nil {
				return err
			}
			for _, database := range []string{empty, full} {
				micros, err := steady(ctx, s, database)
				if err != nil {
					return err
				}
				o.say("%s: %.2f us of CPU an event, client and engine", database, micros)
				if database == full {
					fulls = append(fulls, micros)
				} else {
					empties = append(empties, micros)
				}
			}
			if err := s.Drop(ctx, empty); err != nil {
				return err
			}
		}
		g.empty, g.full = report.Of(empties...), report.Of(fulls...)
		return findings{grown: &g}.write(ctx, o)
	})
}

// fillTable makes a table of bigRows rows like those that come by Kafka, stored evenly
// over today until lately, all in today's partition, and waits until the server has
// merged and counted them.
func fillTable(ctx context.Context, s *stage.Stage, o options, database string) error {
	if err := s.Database(ctx, database, stage.Guarded); err != nil {
		return err
	}
	// Rows that were all stored just now would be what the views look at every few seconds.
	last := time.Now().UTC().Add(-lately)
	span := last.Sub(last.Truncate(24 * time.Hour))
	if time.Now().UTC().Day() != last.Day() || span < time.Hour {
		return fmt.Errorf("the rows have to be in today's partition, stored %s ago and before: not at this hour, UTC", lately)
	}
	fill := fmt.Sprintf(`INSERT INTO %[1]s.events (event_id, event_type, user_id, product_id, price, timestamp, received_at, inserted_at, _partition, _offset)
		WITH fromUnixTimestamp64Milli(toInt64(%[3]d - intDiv((%[2]d - number) * %[4]d, %[2]d)), 'UTC') AS at
		SELECT generateUUIDv4(), multiIf(rand(1) %% 1000 < 940, 'page_view', rand(1) %% 1000 < 987, 'add_to_cart', 'purchase'),
			format('user_{}', leftPad(toString(rand(2) %% 500 + 1), 4, '0')), format('prod_{}', leftPad(toString(rand(3) %% 200 + 1), 3, '0')),
			toDecimal64((rand(3) %% 200 + 1) * 0.47 + 3, 4), at, at, at,
			number %% 3, intDiv(number, 3)
		FROM numbers(%[2]d)`, database, bigRows, last.UnixMilli(), span.Milliseconds())
	if err := s.Conn.Exec(ctx, fill); err != nil {
		return fmt.Errorf("fill %s.events: %w", database, err)
	}
	o.say("%s rows are in", report.Count(bigRows))
	for quiet, end := time.Now(), time.Now().Add(idleLimit); time.Since(quiet) < idle; {
		var busy uint64
		if err := s.Conn.QueryRow(ctx, "SELECT (SELECT count() FROM system.merges) + (SELECT countIf(status = 'Running') FROM system.view_refreshes)").Scan(&busy); err != nil {
			return err
		}
		if busy > 0 {
			quiet = time.Now()
		}
		if time.Now().After(end) {
			return fmt.Errorf("merges and views of %s.events: still running after %s", database, idleLimit)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	o.say("merged and counted")
	return nil
}

// steady has consume.yaml store bigRate events a second and returns the CPU time of
// one in microseconds.
func steady(ctx context.Context, s *stage.Stage, database string) (_ float64, err error) {
	j := job{topic: unique("steady"), database: database, group: unique("steady"), rate: bigRate}
	if err := s.Topic(ctx, j.topic, partitions); err != nil {
		return 0, err
	}
	consumer, err := ours.start(s, j)
	if err != nil {
		return 0, err
	}
	producer, err := produceOurs.start(s, j)
	if err != nil {
		return 0, err
	}
	spent, stored, err := spend(ctx, s, j, consumer)
	_, stopped := producer.Stop()
	_, ended := consumer.Stop()
	if err := errors.Join(err, stopped, ended, s.DropTopic(ctx, j.topic)); err != nil {
		return 0, err
	}
	return micros(spent) / float64(max(stored, 1)), nil
}

// spend returns what client and engine use within the window, and how many rows came.
func spend(ctx context.Context, s *stage.Stage, j job, consumer *stage.Child) (cpu time.Duration, stored int64, err error) {
	look := func(sign int64) error {
		client, err := consumer.CPU()
		if err != nil {
			return err
		}
		engine, err := s.Engine.CPU()
		if err != nil {
			return err
		}
		n, err := rows(ctx, s, j.database)
		cpu += time.Duration(sign) * (client + engine)
		stored += sign * n
		return err
	}
	if err := running(ctx, s, j); err != nil {
		return 0, 0, err
	}
	if err := look(-1); err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, bigWindow); err != nil {
		return 0, 0, err
	}
	err = look(1)
	return cpu, stored, err
}

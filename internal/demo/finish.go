package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"clickstream/internal/verify"
)

const (
	// drainCheck is the time between two looks at the lag while draining.
	drainCheck = 50 * time.Millisecond
	// drainStall is how long the lag may stay as it is before draining is given up:
	// a consumer that was just killed needs its session to end (9 s) to go on.
	drainStall = 20 * time.Second
)

// finish stops everything in order and prints the sums, read from the table once
// nothing can change them.
func (d *demo) finish() error {
	ctx := context.Background() // the user's first Ctrl-C has ended the other one
	d.screen.say("stopping the producer, then storing what is in flight")
	s := summary{table: d.login.database + ".events", topic: d.topic, firstRow: d.firstRow}
	s.unsent = d.producer.stop() == exitUnsent
	drained := d.drain(ctx)
	s.unsent = d.consumer.stop() == exitUnsent || s.unsent
	err := d.sumUp(ctx, &s)
	d.close()
	if err = errors.Join(drained, err); err != nil {
		return &Error{exitFailure, err}
	}
	s.up = time.Since(d.begin)
	d.screen.say(s.String())
	if code, text := s.verdict(); code != 0 {
		return &Error{code, errors.New(text)}
	}
	return nil
}

// drain waits until the consumer has confirmed every record of the topic, for as
// long as it gets on. What is left then shows in the summary.
func (d *demo) drain(ctx context.Context) error {
	tick := time.NewTicker(drainCheck)
	defer tick.Stop()
	least, moved, shown := int64(-1), time.Now(), time.Now()
	for {
		at, err := d.topicReader.position(ctx)
		if err == nil && at.lag() == 0 {
			return nil
		}
		if err == nil && (least < 0 || at.lag() < least) {
			least, moved = at.lag(), time.Now()
		}
		if time.Since(moved) > drainStall {
			return nil
		}
		if now := time.Now(); now.Sub(shown) >= refresh {
			shown = now
			left := "storing what is in flight: " + humanize.Comma(max(0, least)) + " events to go"
			d.screen.status(now, status{up: time.Since(d.begin), instead: left})
		}
		select {
		case err := <-d.supervisor.broken:
			return err
		case <-tick.C:
		}
	}
}

// sumUp reads the numbers of the summary, and proves them.
func (d *demo) sumUp(ctx context.Context, s *summary) error {
	all, err := d.sums(ctx)
	if err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	s.all, s.before = all.minus(d.base), d.before
	if s.freshness, err = d.tableReader.freshness(ctx, d.since); err != nil {
		return fmt.Errorf("summary: freshness: %w", err)
	}
	return d.verify(ctx, s)
}

// verify holds every record against the tables, as `clickstream verify` does. Where
// servers are not ours it looks at this run's records only, and at all if the sums
// differ: what others did to their tables is not this run's.
func (d *demo) verify(ctx context.Context, s *summary) error {
	settings := verify.Settings{Topic: d.topic, Group: consumerGroup, Database: d.login.database}
	if !d.ownKafka || !d.ownClickHouse {
		if s.all.produced == s.all.stored+s.all.letters {
			return nil
		}
		settings.Since = d.since
	}
	report, err := verify.Run(ctx, d.topicReader.client, d.tableReader.conn, settings)
	if err != nil {
		return fmt.Errorf("summary: verify: %w", err)
	}
	s.repeated, s.lost = report.Total.Duplicated, report.Total.Missing+report.Total.Gaps
	if report.Exact && report.Total.Lag == 0 {
		s.verified = report.Total.Records
	}
	if len(report.Findings) == 0 {
		return nil
	}
	var where strings.Builder
	if err := report.WriteText(&where); err != nil {
		return fmt.Errorf("summary: verify: %w", err)
	}
	d.screen.say(where.String()) // the servers are about to stop: it cannot be asked again
	return nil
}

package main

import (
	"context"
	"fmt"
	"strconv"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// turns is what several players did in turns, so that whatever else the machine does
// hits all of them: the i-th results of two players belong together.
type turns map[string][]result

// of takes one number out of each run of a player.
func (t turns) of(p player, number func(result) float64) report.Spread {
	runs := make([]float64, 0, len(t[p.name]))
	for _, r := range t[p.name] {
		runs = append(runs, number(r))
	}
	return report.Of(runs...)
}

// ratio divides a number of one player by another's, run by run.
func (t turns) ratio(a, b player, number func(result) float64) report.Spread {
	var runs []float64
	for i := range min(len(t[a.name]), len(t[b.name])) {
		if below := number(t[b.name][i]); below > 0 {
			runs = append(runs, number(t[a.name][i])/below)
		}
	}
	return report.Of(runs...)
}

func perSecond(r result) float64    { return r.perSecond }
func perCPUSecond(r result) float64 { return 1e6 / max(micros(r.client), 1e-9) }

// backlog fills a topic with events that each have an id of their own.
func backlog(ctx context.Context, s *stage.Stage, j job, n int) error {
	if err := s.Topic(ctx, j.topic, n); err != nil {
		return err
	}
	return s.Run(ctx, stage.Command{Name: "fill " + j.topic, Args: []string{s.Limit, "fill",
		"--kafka", s.Brokers, "--topic", j.topic, "--count", strconv.Itoa(j.events)}})
}

// cast is who takes turns: consumers on the same topic, producers on topics of their
// own.
type cast struct{ consumers, producers []player }

// play has everybody do the same work in turns.
func (c cast) play(ctx context.Context, s *stage.Stage, o options) (turns, error) {
	j := job{topic: unique("backlog"), events: o.events}
	if err := backlog(ctx, s, j, partitions); err != nil {
		return nil, err
	}
	t := turns{}
	for range o.rounds {
		for _, p := range c.consumers {
			r, err := drain(ctx, s, p, j)
			if err != nil {
				return nil, err
			}
			t.keep(p, r, o)
		}
		for _, p := range c.producers {
			r, err := fill(ctx, s, p, j)
			if err != nil {
				return nil, err
			}
			t.keep(p, r, o)
		}
	}
	if err := t.check(c.consumers); err != nil {
		return nil, err
	}
	return t, s.DropTopic(ctx, j.topic)
}

func (t turns) keep(p player, r result, o options) {
	t[p.name] = append(t[p.name], r)
	o.say("%-20s %9s events/s  us an event: client %.3f broker %.3f engine %.3f  %4d MiB  %3d parts", p.name, report.Count(r.perSecond),
		micros(r.client), micros(r.broker), micros(r.engine), r.rss>>20, r.parts)
}

// check compares what was stored by those who stored everything.
func (t turns) check(players []player) error {
	var want *result
	for _, p := range players {
		if p.share != 1 {
			continue
		}
		for _, r := range t[p.name] {
			if want == nil {
				want = &r
			}
			if r.events != want.events || r.sum != want.sum {
				return fmt.Errorf("%s: stored %d rows with the sum %x, want %d and %x: that of others", p.name, r.events, r.sum, want.events, want.sum)
			}
		}
	}
	return nil
}

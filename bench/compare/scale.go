package main

import (
	"context"
	"fmt"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// scaled is how consume.yaml does on one core and on two, and on topics of more
// partitions.
type scaled struct {
	cores      map[int]report.Spread // rows/s into a Null table
	partitions map[int]report.Spread // rows/s into the usual table
	fewer      map[int]report.Spread // the same, as a share of the rate at 3 partitions
}

// counted is the kind of table that forgets its rows but counts them.
var counted = player{name: "consume.yaml", table: stage.Null, share: 1, command: ours.command}

func scale(ctx context.Context, s *stage.Stage, o options) (*scaled, error) {
	r := &scaled{cores: map[int]report.Spread{}, partitions: map[int]report.Spread{}, fewer: map[int]report.Spread{}}
	topics := map[int]string{3: unique("parts"), 12: unique("parts"), 48: unique("parts")}
	for n, topic := range topics {
		if err := backlog(ctx, s, job{topic: topic, events: o.events}, n); err != nil {
			return nil, err
		}
	}
	runs := map[string][]float64{}
	for range min(o.rounds, 3) {
		for cores, cpus := range map[int]string{1: "0", 2: "0,1"} {
			one, err := drain(ctx, s, counted, job{topic: topics[3], events: o.events, cpus: cpus})
			if err != nil {
				return nil, fmt.Errorf("%d cores: %w", cores, err)
			}
			o.say("%d cores into a Null table: %s rows/s, client %.3f us", cores, report.Count(one.perSecond), micros(one.client))
			key := fmt.Sprint("cores", cores)
			runs[key] = append(runs[key], one.perSecond)
		}
		for n, topic := range topics {
			one, err := drain(ctx, s, ours, job{topic: topic, events: o.events})
			if err != nil {
				return nil, fmt.Errorf("%d partitions: %w", n, err)
			}
			o.say("%d partitions: %s rows/s, client %.3f us, %d parts", n, report.Count(one.perSecond), micros(one.client), one.parts)
			key := fmt.Sprint("partitions", n)
			runs[key] = append(runs[key], one.perSecond)
		}
	}
	for _, cores := range []int{1, 2} {
		r.cores[cores] = report.Of(runs[fmt.Sprint("cores", cores)]...)
	}
	for n := range topics {
		r.partitions[n] = report.Of(runs[fmt.Sprint("partitions", n)]...)
	}
	return r, nil
}

package main

import (
	"context"
	"fmt"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// scaled is how consume.yaml does on one core and on two, and on topics of more
// partitions.
type scaled struct{ cases []*scaleCase }

type scaleCase struct {
	name       string
	player     player
	cpus       string
	partitions int
	topic      string

	perSecond, client []float64
}

func scale(ctx context.Context, s *stage.Stage, o options) (*scaled, error) {
	counted := ours
	counted.table = stage.Null
	r := &scaled{[]*scaleCase{
		{name: "pinned to one core, into a Null table", player: counted, cpus: "0", partitions: 3},
		{name: "on two cores, into a Null table", player: counted, cpus: "0,1", partitions: 3},
		{name: "3 partitions", player: ours, partitions: 3},
		{name: "12 partitions", player: ours, partitions: 12},
		{name: "48 partitions", player: ours, partitions: 48},
	}}
	topics := map[int]string{}
	for _, c := range r.cases {
		if topics[c.partitions] == "" {
			topics[c.partitions] = unique("parts")
			if err := backlog(ctx, s, job{topic: topics[c.partitions], events: o.events}, c.partitions); err != nil {
				return nil, err
			}
		}
		c.topic = topics[c.partitions]
	}
	for range min(o.rounds, scaleRounds) {
		for _, c := range r.cases {
			one, err := drain(ctx, s, c.player, job{topic: c.topic, events: o.events, cpus: c.cpus})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			o.say("%-38s %9s rows/s, client %.3f us, %d parts", c.name, report.Count(one.perSecond), micros(one.client), one.parts)
			c.perSecond, c.client = append(c.perSecond, one.perSecond), append(c.client, micros(one.client))
		}
	}
	return r, nil
}

// scaleRounds keeps the whole bench below fifteen minutes.
const scaleRounds = 3

package main

import (
	"context"
	"fmt"
	"time"

	"clickstream/bench/stage"
)

// poll is the pause between two looks at how far a run is; it is the error of the
// measured time.
const poll = 20 * time.Millisecond

// result is what one run has cost.
type result struct {
	events    int64
	perSecond float64 // from the first events seen until most are there
	// CPU per event, user and system. The client's is that of its whole life, start
	// and stop included; the servers' lasts from the client's start to its last event.
	client, broker, engine time.Duration
	rss                    int64 // bytes, the client's at most
	parts                  int64 // that inserts made
	partsPerSecond         float64
	sum                    uint64 // over the rows: equal for the same events
}

// clock notes the costs of the servers, and when events came.
type clock struct {
	broker, engine          time.Duration
	start, first, most      time.Time
	firstEvents, mostEvents int64
	events                  int64 // at the end
}

// most is the share of the events at which the clock stops. The rest is not in the
// rate since a consumer cannot know that nothing will come after it: its last block
// waits for company as long as it may, and one that was told the number does not.
const most = 0.9

// meter runs a player once and watches count until it says events.
func meter(ctx context.Context, s *stage.Stage, p player, j job, count func(context.Context) (int64, error)) (r result, _ error) {
	k := clock{start: time.Now()}
	if err := k.servers(s, -1); err != nil {
		return r, err
	}
	child, err := p.start(s, j)
	if err != nil {
		return r, err
	}
	watched := k.watch(ctx, child, int64(j.events), count)
	if watched == nil {
		watched = k.servers(s, 1)
	} else {
		p.stops = false
	}
	usage, err := p.finish(child)
	if watched != nil {
		return r, fmt.Errorf("%s: %w\n%s", p.name, watched, child.Tail())
	}
	if err != nil {
		return r, err
	}
	n := time.Duration(j.events)
	r = result{events: k.events, client: usage.CPU / n, broker: k.broker / n, engine: k.engine / n, rss: usage.RSS}
	r.perSecond = k.perSecond()
	return r, nil
}

// perSecond is the rate after the start; of events that all came at once it is the
// rate with it.
func (k *clock) perSecond() float64 {
	if k.mostEvents == k.firstEvents {
		return float64(k.mostEvents) / k.most.Sub(k.start).Seconds()
	}
	return float64(k.mostEvents-k.firstEvents) / k.most.Sub(k.first).Seconds()
}

// servers adds what the servers have used so far, times sign.
func (k *clock) servers(s *stage.Stage, sign time.Duration) error {
	broker, err := s.Broker.CPU()
	if err != nil {
		return err
	}
	engine, err := s.Engine.CPU()
	k.broker += sign * broker
	k.engine += sign * engine
	return err
}

// watch polls until all events are there.
func (k *clock) watch(ctx context.Context, child *stage.Child, want int64, count func(context.Context) (int64, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for ended := false; ; {
		n, err := count(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		if n > 0 && k.first.IsZero() {
			k.first, k.firstEvents = now, n
		}
		if k.events = n; k.most.IsZero() && n >= int64(most*float64(want)) {
			k.most, k.mostEvents = now, n
		}
		if n >= want {
			return nil
		}
		if ended {
			return fmt.Errorf("ended after %d of %d events", n, want)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-child.Done():
			ended = true // one more look
		case <-tick.C:
		}
	}
}

// drain has a consumer store the whole topic, or its share of it.
func drain(ctx context.Context, s *stage.Stage, p player, j job) (r result, err error) {
	j.database, j.group = unique("bench"), unique("bench")
	j.events = int(float64(j.events) * p.share)
	if err := s.Database(ctx, j.database, p.table); err != nil {
		return r, err
	}
	r, err = meter(ctx, s, p, j, func(ctx context.Context) (n int64, err error) {
		err = s.Conn.QueryRow(ctx, p.table.Count(j.database)).Scan(&n)
		return n, err
	})
	if err != nil {
		return r, err
	}
	if r.parts, err = newest(ctx, s, j.database); err != nil {
		return r, err
	}
	if err := s.Conn.QueryRow(ctx, "SELECT sum(cityHash64(event_id, event_type, user_id, product_id, price, timestamp)) FROM "+j.database+".events").Scan(&r.sum); err != nil {
		return r, err
	}
	r.partsPerSecond = float64(r.parts) * r.perSecond / float64(r.events)
	return r, s.Drop(ctx, j.database)
}

// fill has a producer write a topic of its own.
func fill(ctx context.Context, s *stage.Stage, p player, j job) (r result, err error) {
	j.topic = unique("produce")
	if err := s.Topic(ctx, j.topic, partitions); err != nil {
		return r, err
	}
	r, err = meter(ctx, s, p, j, func(ctx context.Context) (int64, error) { return s.Records(ctx, j.topic) })
	if err != nil {
		return r, err
	}
	return r, s.DropTopic(ctx, j.topic)
}

var serial int

// unique is a name that no run had before.
func unique(prefix string) string {
	serial++
	return fmt.Sprintf("%s_%d", prefix, serial)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

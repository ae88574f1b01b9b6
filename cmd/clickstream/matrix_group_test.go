package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"clickstream/internal/faultproxy"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kfake"
)

// members of a rebalance storm at most; of them each has a way of its own to the engine.
const members = 8

// crowd is a consumer group whose members run in this process: eight programs would be
// busy with starting.
type crowd struct {
	t        *testing.T
	protocol string
	kafka    string
	proxies  [members]*faultproxy.Proxy

	mu      sync.Mutex
	streams [members]*service.Stream // nil: may start
	leaving [members]bool
	wait    sync.WaitGroup
}

// join starts member i, unless it is there or still leaving.
func (c *crowd) join(i int) bool {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[i] != nil || c.leaving[i] {
		return false
	}
	b := service.NewStreamBuilder()
	err := b.SetYAML(fmt.Sprintf(`
input:
  kafka: {brokers: [%q], topic: clickstream, group: clickstream-consumer, group_protocol: %s, session_timeout: 6s, heartbeat_interval: 200ms, commit_interval: 100ms, drain_timeout: 2s, rebalance_timeout: 5s}
output:
  clickhouse: {addresses: [%q], database: clickstream, table: events, exactly_once: true, flush_interval: 30ms, insert_timeout: 1900ms}
logger: {level: OFF}
`, c.kafka, c.protocol, c.proxies[i].Address()))
	if err != nil {
		c.t.Fatal(err)
	}
	stream, err := b.Build()
	if err != nil {
		c.t.Fatal(err)
	}
	c.streams[i] = stream
	go func() { _ = stream.Run(context.Background()) }()
	return true
}

// leave stops member i: in order, or so hastily that it has to drop what it holds.
func (c *crowd) leave(i int, within time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	stream := c.streams[i]
	if stream == nil {
		return false
	}
	c.streams[i], c.leaving[i] = nil, true
	c.wait.Go(func() {
		_ = stream.StopWithin(within)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leaving[i] = false
	})
	return true
}

// storm lets members come and go every 200 ms for d: one to eight of them.
func (c *crowd) storm(r *rand.Rand, d time.Duration) (joined, left int) {
	c.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(d); ; {
		select {
		case <-end:
			return joined, left
		case <-tick.C:
		}
		i := 1 + r.IntN(members-1) // the first member stays
		switch {
		case c.join(i):
			joined++
		case c.leave(i, []time.Duration{100 * time.Millisecond, 10 * time.Second}[r.IntN(2)]):
			left++
		}
	}
}

// TestRebalanceStorm: one to eight members come and go every 200 ms, in both protocols
// that groups have. Rows go on being stored, each record is one, and nobody is stuck.
func TestRebalanceStorm(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			s, r := newStack(t), seeded(t)
			s.withFake(kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "200", "group.consumer.session.timeout.ms": "6000"}))
			c := &crowd{t: t, protocol: protocol, kafka: s.brokerAddr}
			for i := range c.proxies {
				c.proxies[i] = faultproxy.Start(t, s.native)
			}
			produce := s.pipeline("produce", []string{"RATE=1000"})
			c.join(0)
			s.grown()
			d := 4 * time.Second
			if thorough() {
				d = time.Minute
			}
			before := s.number("SELECT count() FROM clickstream.events")
			joined, left := c.storm(r, d)
			if after := s.number("SELECT count() FROM clickstream.events"); after == before {
				t.Errorf("no row was stored in a storm of %v", d)
			}
			t.Logf("%d joined, %d left", joined, left)
			produce.stop()
			s.drained()
			for i := range members {
				c.leave(i, 20*time.Second)
			}
			c.wait.Wait()
			s.exact()
			s.allCommitted()
		})
	}
}

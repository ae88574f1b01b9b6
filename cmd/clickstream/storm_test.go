package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plan says what a storm is made of.
type plan struct {
	kills   int           // to make; 0: until length is over
	length  time.Duration // 0: until the kills are done
	rate    int           // events a second of the simulator
	ledger  int           // records a second of the test's own producer
	wait    time.Duration // mean time between two moves
	pauses  int           // percent of moves that stop a process for a while instead
	victims []share
	two     bool // two consumers throughout, both named; else one, or two by turns
}

// share is how many of a hundred moves hit a service.
type share struct {
	name    string
	percent int
}

// TestStorm kills consumer, engine, broker and producer with kill -9 at random
// moments, two at once and while they recover, and stops and continues them, while
// events flow. KILLS, MINUTES and SEED of the environment say how long and which;
// without them it is a cut of a minute.
//
// The oracle: a ledger of what the broker acknowledged to a producer of the test's
// own, and the whole topic, held against the tables by coordinate and content.
func TestStorm(t *testing.T) {
	p := plan{
		rate: 1_700, ledger: 300, wait: 1200 * time.Millisecond, pauses: 20,
		victims: []share{{"consumer", 52}, {"engine", 18}, {"broker", 15}, {"producer", 15}},
	}
	p.kills, p.length = extent(t, 40*time.Second)
	newStorm(t, p).run()
}

// TestTwoConsumersOneKilled: two consumers share the topic at 5,000 events a second,
// and every few seconds one of them is killed.
func TestTwoConsumersOneKilled(t *testing.T) {
	p := plan{
		rate: 4_800, ledger: 200, wait: 3 * time.Second,
		victims: []share{{"consumer", 100}}, two: true, length: 15 * time.Second,
	}
	if full(t) {
		p.length = 2 * time.Minute
	}
	newStorm(t, p).run()
}

// extent reads KILLS and MINUTES; without them a storm lasts for short.
func extent(t *testing.T, short time.Duration) (kills int, length time.Duration) {
	t.Helper()
	if !full(t) {
		return 0, short
	}
	return int(setting(t, "KILLS")), time.Duration(setting(t, "MINUTES") * float64(time.Minute))
}

// full tells whether KILLS or MINUTES ask for more than what `make test` runs.
func full(t *testing.T) bool { return setting(t, "KILLS") > 0 || setting(t, "MINUTES") > 0 }

func setting(t *testing.T, name string) float64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 {
		t.Fatalf("%s: want a number of 0 or more, got %q", name, text)
	}
	return n
}

// storm is a stack whose processes are killed.
type storm struct {
	*stack
	plan  plan
	seed  uint64
	began time.Time

	services map[string]*victim
	second   *victim // the other consumer, while there is one
	ledger   *ledger
	proxy    *proxy // between consumer-1 and the engine

	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup
	paused  atomic.Int64 // processes that are stopped

	diary
	growth
	tally
}

func newStorm(t *testing.T, p plan) *storm {
	t.Helper()
	dir := os.Getenv("STORM_DIR") // keeps data and logs of a run, to look into
	if dir == "" {
		dir = t.TempDir()
	} else {
		dir = filepath.Join(dir, t.Name())
	}
	s := &storm{plan: p, seed: seedOf(t), began: time.Now(), tally: newTally()}
	s.stack = &stack{t: t, dir: dir, brokerAddr: freeAddress(t), native: freeAddress(t), http: freeAddress(t)}
	s.test, s.from = t, s.began
	s.ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(s.end)
	s.proxy = startProxy(t, s.native)
	s.newServices()
	return s
}

// end kills what still runs.
func (s *storm) end() {
	s.cancel()
	for _, v := range s.all() {
		v.retire(0)
	}
	s.workers.Wait()
	if s.t.Failed() {
		s.t.Logf("the last of it:\n%s", s.tail(60))
		for _, v := range s.all() {
			s.t.Logf("%s: %d starts", v.name, v.starts)
		}
	}
}

// all returns the services, the second consumer included.
func (s *storm) all() []*victim {
	var all []*victim
	for _, name := range []string{"producer", "consumer-1", "engine", "broker"} {
		all = append(all, s.services[name])
	}
	if s.second != nil {
		all = append(all, s.second)
	}
	return all
}

// run is the storm from the first start to the verdict.
func (s *storm) run() {
	for _, name := range []string{"broker", "engine"} {
		s.services[name].up()
		<-s.services[name].living().listens
	}
	s.init()
	s.ledger = s.startLedger(s.plan.ledger)
	s.services["consumer-1"].up()
	s.services["producer"].up()
	if s.plan.two {
		s.join("storm-2")
	}
	s.workers.Go(s.watchGrowth)
	s.settle()
	s.startedAt = time.Now()
	for n := uint64(0); !s.over(); n++ {
		if !s.plan.two && n%12 == 0 {
			s.members(n / 12)
		}
		s.make(s.plan.drawn(s.seed, n))
	}
	s.blewFor = time.Since(s.startedAt)
	s.drain()
	s.verdict()
}

func (s *storm) over() bool {
	return s.plan.kills > 0 && s.kills >= s.plan.kills || s.plan.length > 0 && time.Since(s.startedAt) >= s.plan.length
}

// members changes how many consumers there are: one; two with names; two of which
// one has no name, so that the group has to notice its death.
func (s *storm) members(spell uint64) {
	if s.second != nil {
		second, grace := s.second, []time.Duration{patience, 0, 150 * time.Millisecond}[spell/3%3]
		s.second = nil
		s.workers.Go(func() { second.retire(grace) })
	}
	switch spell % 3 {
	case 1:
		s.join("storm-2")
	case 2:
		s.join("")
	}
}

func (s *storm) join(instance string) {
	s.second = s.newConsumer("consumer-2", instance)
	s.second.up()
}

// sleep waits, and tells whether the storm still goes on.
func (s *storm) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// drain lets everything recover, stops the writers, and waits until the group has
// committed all that there is.
func (s *storm) drain() {
	s.note("the storm is over")
	s.settle()
	s.ledger.stop(s.t)
	s.services["producer"].retire(patience)
	s.await("everything to be committed", func() error {
		ends, err := s.listEnds("clickstream")
		if err != nil {
			return err
		}
		committed, err := s.listCommitted()
		if err != nil {
			return err
		}
		for p, end := range ends {
			if committed[p] != end {
				return fmt.Errorf("partition %d: %d of %d", p, committed[p], end)
			}
		}
		return nil
	})
	if s.second != nil {
		s.second.retire(patience)
	}
	s.services["consumer-1"].retire(patience)
	s.drainedIn = time.Since(s.startedAt) - s.blewFor
}

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seeded draws the moments of a test's faults. SEED repeats a run's.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(seedOf(t), 0))
}

// seedOf returns SEED of the environment, or draws one, and says which.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// exact holds the table against the topic: each record is one row at its coordinate,
// with its event, and there is no other row.
func (s *stack) exact() {
	s.t.Helper()
	a := s.audit()
	a.check(s.t)
	s.t.Logf("%d records, %d rows, %d dead letters", a.records, a.rows, a.letters)
}

// endsExact stops the producer, has the consumers store what is left, stops them, and
// holds table and commits against the topic.
func (s *stack) endsExact(produce *pipelineProc, consumers ...*pipelineProc) {
	s.t.Helper()
	produce.stop()
	s.drained()
	for _, consume := range consumers {
		consume.stop()
	}
	s.exact()
	s.allCommitted()
}

// grown waits until the table has more rows than now.
func (s *stack) grown() {
	s.t.Helper()
	before := s.number("SELECT count() FROM clickstream.events")
	await(s.t, "new rows", func() error {
		if n := s.number("SELECT count() FROM clickstream.events"); n <= before {
			return fmt.Errorf("got %d", n)
		}
		return nil
	})
}

// soon waits a random while below d.
func soon(t *testing.T, r *rand.Rand, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(time.Duration(r.Int64N(int64(d)))):
	case <-t.Context().Done():
	}
}

// metric sums a counter of a pipeline.
func (p *pipelineProc) metric(name string) float64 {
	p.t.Helper()
	sum, err := p.counter(name)
	if err != nil {
		p.t.Fatal(err)
	}
	return sum
}

// counter is metric for a pipeline that may not answer.
func (p *pipelineProc) counter(name string) (sum float64, err error) {
	_, body, err := p.get("/metrics")
	if err != nil {
		return 0, err
	}
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(body, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// quick makes many small inserts, so that faults meet many of them.
var quick = []string{"-s", "output.fallback.0.clickhouse.flush_interval=30ms"}

// TestExactlyOnceConsumerKilled: kill -9 again and again, mostly in mid-insert.
func TestExactlyOnceConsumerKilled(t *testing.T) {
	s, r := newStack(t), seeded(t)
	produce := s.pipeline("produce", []string{"RATE=4000"})
	for range 12 {
		consume := s.pipeline("consume", []string{"KAFKA_INSTANCE_ID=one"}, quick...)
		s.grown()
		soon(t, r, 300*time.Millisecond)
		consume.kill()
	}
	produce.stop()
	consume := s.pipeline("consume", []string{"KAFKA_INSTANCE_ID=one"}, quick...)
	s.drained()
	consume.stop()
	s.exact()
	s.allCommitted()
}

// TestExactlyOnceEngineKilled: what was in flight may be stored or not.
func TestExactlyOnceEngineKilled(t *testing.T) {
	s, r := newStack(t), seeded(t)
	consume := s.pipeline("consume", nil, quick...)
	produce := s.pipeline("produce", []string{"RATE=4000"})
	for range 8 {
		s.grown()
		soon(t, r, 300*time.Millisecond)
		s.engine.kill()
		s.startEngine()
	}
	s.endsExact(produce, consume)
}

// TestExactlyOnceAckLost: the rows are stored, the answer never comes.
func TestExactlyOnceAckLost(t *testing.T) {
	s, r := newStack(t), seeded(t)
	p := startProxy(t, s.native)
	consume := s.pipeline("consume", []string{"CLICKHOUSE_ADDR=" + p.address()}, quick...)
	produce := s.pipeline("produce", []string{"RATE=4000"})
	for n := range 10 {
		s.grown()
		soon(t, r, 100*time.Millisecond)
		p.fault.Store(loseAck)
		await(t, "a lost answer", func() error {
			if p.hit.Load() <= int64(n) {
				return errors.New("none yet")
			}
			return nil
		})
	}
	produce.stop()
	s.drained()
	if got := consume.metric("clickstream_clickhouse_read_back_rows_total"); got == 0 {
		t.Error("nothing was read back: no answer was lost")
	}
	consume.stop()
	s.exact()
	s.allCommitted()
}

// TestExactlyOnceZombie: a consumer is stopped in mid-insert until the group has given
// its partitions to another one, and then goes on as if nothing had happened. Whether it
// hears of the group or sends its rows first is a race that it has to lose once in a while.
func TestExactlyOnceZombie(t *testing.T) {
	const tries = 4
	for range tries {
		if zombie(t) {
			return
		}
	}
	t.Errorf("in %d tries no insert was refused for its owner", tries)
}

// zombie reports whether an insert was refused for its owner, and fails unless all is
// exact either way.
func zombie(t *testing.T) (refused bool) {
	t.Helper()
	s := newStack(t)
	p := startProxy(t, s.native)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	first := s.pipeline("consume", []string{"CLICKHOUSE_ADDR=" + p.address()}, quick...)
	s.grown()
	p.fault.Store(hold)
	<-p.held
	first.signal(syscall.SIGSTOP)
	const running = "SELECT count() FROM system.processes WHERE position(Settings['log_comment'], 'clickstream ') > 0"
	s.awaitNumber(running, 1)
	second := s.pipeline("consume", nil, quick...)
	s.grown() // the session of the first is over, and its insert out of the way
	s.awaitNumber(running+" AND elapsed > 3", 0)
	first.signal(syscall.SIGCONT)
	close(p.release)
	heard := time.Now().Add(15 * time.Second) // by then, if no insert was refused
	await(t, "an insert that is refused for its owner, or time for a zombie to hear of it", func() error {
		refused = first.metric("clickstream_clickhouse_stale_inserts_total")+second.metric("clickstream_clickhouse_stale_inserts_total") > 0
		if !refused && time.Now().Before(heard) {
			return errors.New("neither yet")
		}
		return nil
	})
	s.grown()
	s.endsExact(produce, first, second)
	return refused
}

// TestExactlyOnceStoppedBetweenInserts: a zombie that does not know that its partitions
// are gone is refused by the server, learns it from the group, and drops what it had.
func TestExactlyOnceStoppedBetweenInserts(t *testing.T) {
	s := newStack(t)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	first := s.pipeline("consume", nil, "-s", "output.fallback.0.clickhouse.flush_interval=300ms")
	s.grown()
	for range 2 {
		first.signal(syscall.SIGSTOP)
		second := s.pipeline("consume", nil, quick...)
		s.grown()
		first.signal(syscall.SIGCONT)
		s.grown()
		first, second = second, first
		second.stop()
	}
	s.endsExact(produce, first)
}

// TestAtLeastOnceIsRefused: a table that promises exactly once takes no rows from a
// pipeline that does not, and the pipeline says what to do instead of rejecting rows.
func TestAtLeastOnceIsRefused(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil, "-s", "output.fallback.0.clickhouse.exactly_once=false", "-s", "output.fallback.0.clickhouse.coordinates=true")
	if code := consume.exit(); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	if last := lastLines(consume.out.String(), 1); !strings.Contains(last, "current_owner") || !strings.Contains(last, "exactly_once: true") {
		t.Errorf("the last line does not tell what to do: %s", last)
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"clickstream/internal/faultproxy"
)

// thorough says that a test shall run for longer: FAULTS=full, which `make faults` sets.
func thorough() bool { return os.Getenv("FAULTS") == "full" }

// shortSession lets the group notice a stopped member after six seconds, the least that
// brokers take.
var shortSession = append([]string{"-s", "input.kafka.session_timeout=6s"}, quick...)

// inserting counts the inserts under way of writers that write exactly once.
const inserting = "SELECT count() FROM system.processes WHERE position(Settings['log_comment'], 'clickstream ') > 0"

// stoppedInMidInsert starts a consumer and stops it with SIGSTOP when half of an insert's
// rows are with the server. release lets the other half go.
func (s *stack) stoppedInMidInsert(env []string, args ...string) (first *pipelineProc, release func()) {
	s.t.Helper()
	p := startProxy(s.t, s.native)
	first = s.pipeline("consume", append(env, "CLICKHOUSE_ADDR="+p.address()), args...)
	s.grown()
	p.fault.Store(hold)
	<-p.held
	first.signal(syscall.SIGSTOP)
	s.awaitNumber(inserting, 1)
	return first, func() { close(p.release) }
}

// TestDrainOfAStoppedWriter: the insert of a writer that was stopped in the middle of its
// rows is in system.processes, and is gone within three seconds of the next owner's first
// word to the server.
func TestDrainOfAStoppedWriter(t *testing.T) {
	s := newStack(t)
	produce := s.pipeline("produce", []string{"RATE=1000"})
	first, release := s.stoppedInMidInsert(nil, shortSession...)
	const owners = `SELECT sum(joinGet('clickstream.events_fence', 'owner', s, p)) FROM (SELECT DISTINCT _stream AS s, _partition AS p FROM clickstream.events)`
	before := s.number(owners)
	second := s.pipeline("consume", nil, shortSession...)
	conn := s.connect()
	read := func(query string) (n uint64, err error) {
		err = conn.QueryRow(t.Context(), query).Scan(&n)
		return n, err
	}
	await(t, "the next owner", func() error {
		if got, err := read(owners); err != nil || got == before {
			return fmt.Errorf("the fence is as it was (%w)", err)
		}
		return nil
	})
	begin := time.Now()
	await(t, "the insert to be gone", func() error {
		if got, err := read(inserting + " AND elapsed > 4"); err != nil || got > 0 {
			return fmt.Errorf("%d still run (%w)", got, err)
		}
		return nil
	})
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the stopped writer's insert was gone %v after the next owner's recovery began, want 3s at most", took)
	} else {
		t.Logf("gone after %v", took)
	}
	s.grown()
	if second.metric("clickstream_clickhouse_killed_inserts_total") == 0 {
		t.Error("the next owner killed no insert: nothing was drained")
	}
	first.signal(syscall.SIGCONT)
	release()
	s.endsExact(produce, first, second)
}

// TestZombieOfTheSameName: a consumer is stopped in mid-insert and another one is started
// under its instance_id, which needs to wait for no session; then the first one goes on.
func TestZombieOfTheSameName(t *testing.T) {
	s := newStack(t)
	produce := s.pipeline("produce", []string{"RATE=1000"})
	name := []string{"KAFKA_INSTANCE_ID=one"}
	first, release := s.stoppedInMidInsert(name, quick...)
	second := s.pipeline("consume", name, quick...)
	s.grown()
	first.signal(syscall.SIGCONT)
	release()
	s.grown()
	s.grown()
	first.stop()
	s.endsExact(produce, second)
}

// TestSlowClickHouse: each answer comes so late that an insert has its rows stored and
// then runs out of time: nothing is stored twice, and all of it in the end.
func TestSlowClickHouse(t *testing.T) {
	s := newStack(t)
	p := faultproxy.Start(t, s.native)
	consume := s.pipeline("consume", []string{"CLICKHOUSE_ADDR=" + p.Address()}, append([]string{"-s", "output.fallback.0.clickhouse.insert_timeout=1500ms"}, quick...)...)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	s.grown()
	unknown := func() bool { return consume.metric("clickstream_clickhouse_read_back_rows_total") > 0 }
	least, most := 1, 10 // a busy machine may be late with the rows too, and then none is stored
	if thorough() {
		least, most = 20, 40
	}
	for n := 0; n < least || n < most && !unknown(); n++ {
		heal := p.Break(faultproxy.Delay(faultproxy.Down, 900))
		await(t, "/ready to say that no answer comes", func() error {
			status, body, err := consume.get("/ready")
			if err == nil && (status != 503 || !strings.Contains(body, p.Address())) {
				err = fmt.Errorf("got %d: %s", status, body)
			}
			return err
		})
		holds(t, 2*time.Second, below(t, consume, 256))
		heal()
		consume.awaitReady(200)
		s.grown()
	}
	produce.stop()
	s.drained()
	if !unknown() {
		t.Error("nothing was read back: every outcome was known")
	}
	consume.stop()
	s.exact()
	s.allCommitted()
}

// TestFenceEmptiedWhileRunning: TRUNCATE of the fence takes the partitions from everybody;
// each writer takes its own anew.
func TestFenceEmptiedWhileRunning(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil, quick...)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	for range 5 {
		s.grown()
		if err := s.connect().Exec(t.Context(), "TRUNCATE TABLE clickstream.events_fence"); err != nil {
			t.Fatal(err)
		}
	}
	s.grown()
	await(t, "an insert that is refused for its owner", func() error {
		if consume.metric("clickstream_clickhouse_stale_inserts_total") == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	s.endsExact(produce, consume)
}

package main

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loggedPerTenSeconds fails if a pipeline said more than n lines about errors in
// the time that it ran, per ten seconds begun.
func loggedPerTenSeconds(t *testing.T, p *pipelineProc, ran time.Duration, n int) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^.*level=(error|warning).*$`).FindAllString(p.out.String(), -1)
	if most := n * (1 + int(ran/(10*time.Second))); len(lines) > most {
		t.Errorf("%d warnings and errors in %s, want at most %d:\n%s", len(lines), ran.Round(time.Second), most, strings.Join(lines, "\n"))
	}
}

// below fails while a process uses more memory than that.
func below(t *testing.T, p *pipelineProc, mib int) func() error {
	return func() error {
		if got := residentKiB(t, p.proc) >> 10; got > mib {
			return fmt.Errorf("%s uses %d MiB, want at most %d", p.name, got, mib)
		}
		return nil
	}
}

// TestClickHouseAbsentAtStart: the consumer waits, says so once in ten seconds,
// is not ready, and stores everything once the server is there.
func TestClickHouseAbsentAtStart(t *testing.T) {
	s := newStack(t)
	s.engine.stop()
	s.produce(eventJSON(1), eventJSON(2))
	begin := time.Now()
	consume := s.pipeline("consume", nil)
	consume.awaitReady(503)
	consume.awaitLine(regexp.QuoteMeta(s.native))
	holds(t, 3*time.Second, func() error {
		select {
		case <-consume.done:
			return fmt.Errorf("the consumer gave up:\n%s", consume.out)
		default:
			return nil
		}
	})
	s.startEngine()
	consume.awaitReady(200)
	s.drained()
	loggedPerTenSeconds(t, consume, time.Since(begin), 3)
	consume.stop()
	s.nothingMissing()
}

// TestOutageMemory: the engine is killed and stays away while 20,000 events a second
// go on; the consumer's memory stays low and flat, and nothing is missing after.
// OUTAGE is how many seconds the outage takes.
func TestOutageMemory(t *testing.T) {
	outage := 20 * time.Second
	if seconds := setting(t, "OUTAGE"); seconds > 0 {
		outage = time.Duration(seconds * float64(time.Second))
	}
	s := newStack(t)
	consume := s.pipeline("consume", nil)
	consume.awaitReady(200)
	produce := s.pipeline("produce", []string{"RATE=20000"})
	s.awaitProduced(20_000)
	begin := time.Now()
	s.engine.kill()
	consume.awaitReady(503)
	highest := [3]int{} // MiB, by third of the outage
	holds(t, outage, func() error {
		third := min(2, int(3*time.Since(begin)/outage))
		highest[third] = max(highest[third], residentKiB(t, consume.proc)>>10)
		return below(t, consume, 256)()
	})
	if highest[2] > highest[1]+16 {
		t.Errorf("memory grows: at most %d, %d and %d MiB in the thirds of the outage", highest[0], highest[1], highest[2])
	}
	loggedPerTenSeconds(t, consume, time.Since(begin), 3)
	s.startEngine()
	consume.awaitReady(200)
	produce.stop()
	s.awaitCommitted()
	t.Logf("%s without ClickHouse at 20,000 events/s: the consumer had %d, %d and %d MiB in the thirds of it, %d after", outage,
		highest[0], highest[1], highest[2], residentKiB(t, consume.proc)>>10)
	if err := below(t, consume, 256)(); err != nil {
		t.Error(err)
	}
	consume.stop()
	s.exact()
}

// TestBrokerGone: the broker is killed under load; both pipelines wait and go on.
func TestBrokerGone(t *testing.T) {
	s := newStack(t)
	consume, produce := s.pipeline("consume", nil), s.pipeline("produce", []string{"RATE=2000"})
	s.awaitProduced(4_000)
	begin := time.Now()
	s.broker.kill()
	consume.awaitReady(503)
	produce.awaitReady(503)
	holds(t, 5*time.Second, below(t, produce, 256))
	loggedPerTenSeconds(t, consume, time.Since(begin), 4)
	loggedPerTenSeconds(t, produce, time.Since(begin), 4)
	s.startBroker()
	consume.awaitReady(200)
	produce.awaitReady(200)
	var before int64
	for _, end := range s.ends("clickstream") {
		before += end
	}
	s.awaitProduced(before + 4_000)
	produce.stop()
	s.drained()
	consume.stop()
	s.nothingMissing()
}

// TestBrokerAbsentAtStart: both pipelines wait for the broker.
func TestBrokerAbsentAtStart(t *testing.T) {
	s := newStack(t)
	s.broker.stop()
	begin := time.Now()
	consume, produce := s.pipeline("consume", nil), s.pipeline("produce", nil)
	consume.awaitReady(503)
	produce.awaitReady(503)
	consume.awaitLine(regexp.QuoteMeta(s.brokerAddr))
	produce.awaitLine(regexp.QuoteMeta(s.brokerAddr))
	s.startBroker()
	consume.awaitReady(200)
	produce.awaitReady(200)
	s.awaitProduced(100)
	loggedPerTenSeconds(t, consume, time.Since(begin), 4)
	loggedPerTenSeconds(t, produce, time.Since(begin), 4)
	produce.stop()
	s.drained()
	consume.stop()
	s.nothingMissing()
}

// TestConfigurationIsWrong: what no retry can mend ends the process with the cause
// and the next step.
func TestConfigurationIsWrong(t *testing.T) {
	s := newStack(t)
	t.Run("unknown database", func(t *testing.T) {
		mustFail(t, s, []string{"CLICKHOUSE_DATABASE=nowhere"}, []string{s.native, "nowhere", "clickstream init"})
	})
	t.Run("wrong password", func(t *testing.T) {
		s.engine.stop()
		s.startEngine("CLICKHOUSE_USER=writer", "CLICKHOUSE_PASSWORD=right")
		mustFail(t, s, []string{"CLICKHOUSE_USER=writer", "CLICKHOUSE_PASSWORD=wr0ng"}, []string{s.native, "writer", "516", "CLICKHOUSE_PASSWORD"})
	})
}

// TestUnknownTopic: a topic may be created later, so both pipelines wait for it and
// say what creates it.
func TestUnknownTopic(t *testing.T) {
	s := newStack(t)
	for name, code := range map[string]int{"consume": exitOK, "produce": exitUnacked} { // its events are not delivered
		p := s.pipeline(name, []string{"KAFKA_TOPIC=nowhere"})
		p.awaitLine(`topic .*nowhere.* does not exist: create it with .clickstream init`)
		p.awaitReady(503)
		p.signal(syscall.SIGTERM)
		if got := p.exit(); got != code {
			t.Errorf("%s: exit code %d, want %d:\n%s", name, got, code, p.out)
		}
	}
}

func mustFail(t *testing.T, s *stack, env, want []string) {
	t.Helper()
	own := *s
	own.t = t
	consume := own.pipeline("consume", env)
	if code := consume.exit(); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	last := lastLines(consume.out.String(), 1)
	for _, w := range want {
		if !strings.Contains(last, w) {
			t.Errorf("the last line lacks %q: %s", w, last)
		}
	}
	if strings.Contains(consume.out.String(), "wr0ng") {
		t.Errorf("the password is in the log:\n%s", consume.out)
	}
}

// TestStopWithHalfFilledBlock: SIGTERM long before the block is full or due; its
// rows land, their offsets are committed, and a restart adds nothing.
func TestStopWithHalfFilledBlock(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil, "-s", "output.fallback.0.clickhouse.flush_interval=5m")
	consume.awaitReady(200)
	s.produce(eventJSON(1), eventJSON(2), eventJSON(3))
	await(t, "rows waiting in the block", func() error {
		_, body, err := consume.get("/metrics")
		if err == nil && !regexp.MustCompile(`(?m)^clickstream_clickhouse_rows_waiting\S* 3$`).MatchString(body) {
			err = fmt.Errorf("metrics:\n%s", strings.Join(regexp.MustCompile(`(?m)^clickstream_\S+ .*$`).FindAllString(body, -1), "\n"))
		}
		return err
	})
	if n := s.number("SELECT count() FROM clickstream.events"); n != 0 {
		t.Fatalf("%d rows before the stop, want 0: the block was not half-filled", n)
	}
	consume.stop()
	if n := s.number("SELECT count() FROM clickstream.events"); n != 3 {
		t.Errorf("%d rows after the stop, want 3", n)
	}
	s.allCommitted()

	again := s.pipeline("consume", nil)
	s.produce(eventJSON(4))
	s.awaitNumber("SELECT count() FROM clickstream.events WHERE event_id = '00000000-0000-4000-8000-000000000004'", 1)
	again.stop()
	if n := s.number("SELECT count() FROM clickstream.events"); n != 4 {
		t.Errorf("%d rows after a restart, want 4", n)
	}
}

// TestConsumerKilled: kill -9 again and again under load; no event is skipped.
func TestConsumerKilled(t *testing.T) {
	s := newStack(t)
	produce := s.pipeline("produce", []string{"RATE=5000"})
	for range 4 {
		before := s.number("SELECT count() FROM clickstream.events")
		consume := s.pipeline("consume", nil)
		await(t, "new rows", func() error {
			if n := s.number("SELECT count() FROM clickstream.events"); n <= before {
				return fmt.Errorf("got %d", n)
			}
			return nil
		})
		consume.kill()
	}
	produce.stop()
	consume := s.pipeline("consume", nil)
	s.drained()
	consume.stop()
	s.nothingMissing()
	s.allCommitted()
}

// TestSecondSignal: a stop that hangs on a server is ended by a second signal.
func TestSecondSignal(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil)
	consume.awaitReady(200)
	s.engine.kill()
	s.produce(eventJSON(1))
	consume.awaitReady(503)
	consume.signal(syscall.SIGTERM)
	consume.awaitLine("Received SIGTERM")
	<-time.After(2 * sameSignal) // what comes sooner is the first one again
	consume.signal(syscall.SIGTERM)
	if code := consume.exit(); code != exitAbort {
		t.Errorf("exit code %d, want %d:\n%s", code, exitAbort, consume.out)
	}
}

// TestStopWithUnacknowledged: a stop whose time runs out before the rows could be
// stored says so, and the next consumer stores them.
func TestStopWithUnacknowledged(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil, "-s", "shutdown_timeout=2s")
	consume.awaitReady(200)
	s.engine.kill()
	s.produce(eventJSON(1))
	consume.awaitReady(503)
	consume.signal(syscall.SIGTERM)
	if code := consume.exit(); code != exitUnacked {
		t.Errorf("exit code %d, want %d:\n%s", code, exitUnacked, consume.out)
	}
	s.startEngine()
	again := s.pipeline("consume", nil)
	s.drained()
	again.stop()
	s.nothingMissing()
}

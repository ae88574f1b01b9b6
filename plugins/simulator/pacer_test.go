package simulator

import (
	"math/rand/v2"
	"testing"
	"time"
)

var rates = []int64{1, 3, 30, 99, 100, 101, 150, 999, 1000, 12_345, 100_000, 1_000_000, maxRate}

// run paces until end, waking where next says plus a delay, and calls each with
// every batch.
func (p *pacer) run(from, end time.Duration, delay func() time.Duration, each func(now time.Duration, n int64)) {
	for now := from; ; now = p.next(now) + delay() {
		if now > end {
			return
		}
		for {
			n, _ := p.take(now, maxBatch)
			if n == 0 {
				break
			}
			each(now, n)
		}
	}
}

func noDelay() time.Duration { return 0 }

// TestPacerExact: after 30 s exactly rate*30 events have left, though each wake-up
// comes up to 5 ms late.
func TestPacerExact(t *testing.T) {
	for _, rate := range rates {
		p, r := &pacer{rate: rate}, rand.New(rand.NewPCG(1, uint64(rate)))
		p.run(0, 30*time.Second, func() time.Duration { return time.Duration(r.IntN(5_000_000)) }, func(time.Duration, int64) {})
		// The last wake-up lies up to a tick and a delay before the end, or, at few
		// events per second, an event.
		low := p.due(30*time.Second-tick-5*time.Millisecond) - 1
		if high := 30 * rate; p.sent < low || p.sent > high {
			t.Errorf("rate %d: got %d events, want %d to %d", rate, p.sent, low, high)
		}
	}
}

// TestPacerBatches: up to 100/s each event leaves the moment it is due; above, the
// events of a tick leave together.
func TestPacerBatches(t *testing.T) {
	for _, rate := range rates {
		p, wakes, last := &pacer{rate: rate}, 0, time.Duration(-1)
		p.run(0, 10*time.Second, noDelay, func(now time.Duration, n int64) {
			if now != last {
				wakes++
			}
			last = now
			if late := now - p.dueAt(p.sent-n+1); late > tick {
				t.Fatalf("rate %d: an event left %s late", rate, late)
			}
		})
		if want := int(min(10*rate, 1000)); wakes > want || wakes < want-1 {
			t.Errorf("rate %d: got %d wake-ups in 10 s, want %d", rate, wakes, want)
		}
		if p.sent != 10*rate {
			t.Errorf("rate %d: got %d events in 10 s, want %d", rate, p.sent, 10*rate)
		}
	}
}

// TestPacerStall: after five seconds in which nothing was taken, no second has more
// than twice the rate (and one tick), and the schedule is met again five seconds on.
func TestPacerStall(t *testing.T) {
	for _, rate := range rates {
		type sent struct {
			at time.Duration
			n  int64
		}
		var log []sent
		note := func(now time.Duration, n int64) { log = append(log, sent{now, n}) }
		p := &pacer{rate: rate}
		p.run(0, 10*time.Second, noDelay, note)
		log = nil
		p.run(15*time.Second, 30*time.Second, noDelay, note)

		if want := p.due(30 * time.Second); p.sent != want {
			t.Errorf("rate %d: got %d events in all, want %d", rate, p.sent, want)
		}
		limit := burst*rate + max(burst*rate*int64(tick)/billion, 1)
		var inSecond, first int64
		for _, s := range log {
			inSecond += s.n
			for log[first].at <= s.at-time.Second {
				inSecond -= log[first].n
				first++
			}
			if inSecond > limit {
				t.Fatalf("rate %d: %d events in the second before %s, want at most %d", rate, inSecond, s.at, limit)
			}
			if caughtUp := 20*time.Second + 2*tick + p.interval(); s.at > caughtUp && s.at < caughtUp+time.Second && s.n > limit {
				t.Errorf("rate %d: still behind at %s", rate, s.at)
			}
		}
	}
}

// TestPacerCatchesUpInTime: with a backlog of as long as it lasted, twice the rate
// needs exactly as long again.
func TestPacerCatchesUpInTime(t *testing.T) {
	for _, rate := range rates {
		p := &pacer{rate: rate}
		p.run(5*time.Second, 10*time.Second+2*tick+p.interval(), noDelay, func(time.Duration, int64) {})
		now := 10*time.Second + 2*tick + p.interval()
		if late := now - p.dueAt(p.sent+1); late > tick+p.interval() {
			t.Errorf("rate %d: got %s behind after the time of the stall, want none", rate, late)
		}
	}
}

func TestPacerUnlimited(t *testing.T) {
	p := &pacer{}
	for range 3 {
		if n, from := p.take(time.Second, maxBatch); n != maxBatch || from != time.Second {
			t.Fatalf("take: got %d from %s", n, from)
		}
	}
	if got := p.next(time.Second); got != time.Second {
		t.Errorf("next: got %s, want now", got)
	}
}

// FuzzPacer holds the invariants under any sequence of waits, limits and rates.
func FuzzPacer(f *testing.F) {
	f.Add(uint32(100), []byte{1, 2, 3, 250, 250, 250, 0, 0})
	f.Add(uint32(maxRate), []byte{255, 0, 1, 2, 128, 129})
	f.Fuzz(func(t *testing.T, rate uint32, steps []byte) {
		p := &pacer{rate: 1 + int64(rate)%maxRate}
		var now, dated time.Duration
		for _, step := range steps {
			if step%2 == 0 {
				now = p.next(now)
			} else {
				now += time.Duration(step) * time.Duration(step) * 3 * time.Millisecond // up to 195 s
			}
			willSend := p.next(now) == now
			n, from := p.take(now, 1+int64(step))
			switch {
			case n < 0 || n > 1+int64(step):
				t.Fatalf("take: got %d, limit %d", n, 1+step)
			case p.sent > p.due(now):
				t.Fatalf("%d events sent, %d due", p.sent, p.due(now))
			case from > now || from < dated && n > 0:
				t.Fatalf("dated from %s, now %s, last dated %s", from, now, dated)
			case step%2 == 0 && n == 0:
				t.Fatalf("next said %s, and take gave nothing", now)
			case willSend != (n > 0) && n > 0:
				t.Fatalf("take gave %d before next", n)
			}
			if n > 0 {
				dated = now
			}
		}
	})
}

package simulator

import (
	"math/bits"
	"time"
)

const (
	// tick is how often events leave when several are due within it. 10 ms is far
	// below what anybody sees as late, and makes batches of rate/100 events.
	tick = 10 * time.Millisecond
	// burst is how many times the rate events may leave after a stall, until the
	// schedule is met again.
	burst = 2
	// maxBatch is how many events a batch has at most. It spreads what is done once per
	// batch, the way to the broker and back above all, thin enough to vanish (1,000 took
	// 15 % longer), and keeps a batch below the 1 MB that a topic takes at once.
	maxBatch = 4000
)

// pacer says how many events are due. It is pure: all times are given to it, as
// what has passed since the start, and must not go back.
//
// The schedule is exact: after t seconds rate*t events have left, to the event,
// whatever the delays on the way. After a stall it is caught up at burst times the
// rate; a token bucket holds that bound.
type pacer struct {
	rate int64 // events per second; 0 = as many as asked for
	sent int64

	// credit is what the bucket holds, in billionths of an event, as of filled.
	credit int64
	filled time.Duration
	// stamped is the latest time given to an event: times must not go back.
	stamped time.Duration
}

const billion = int64(time.Second) // nanoseconds in a second, and the unit of credit

// due returns how many events the schedule wants by now, the first at 1/rate.
// Split into seconds and rest it is exact, and within 64 bits for any Duration.
func (p *pacer) due(now time.Duration) int64 {
	seconds, rest := int64(now/time.Second), int64(now%time.Second)
	return seconds*p.rate + rest*p.rate/billion
}

// dueAt returns when event n (the first is 1) is due, to the nanosecond above.
func (p *pacer) dueAt(n int64) time.Duration {
	high, low := bits.Mul64(uint64(n), uint64(billion))
	low, carry := bits.Add64(low, uint64(p.rate-1), 0)
	ns, _ := bits.Div64(high+carry, low, uint64(p.rate))
	return time.Duration(ns)
}

// take returns how many events must leave now, at most limit, and counts them as
// sent. They are to be dated evenly over the time after from, up to now.
func (p *pacer) take(now time.Duration, limit int64) (n int64, from time.Duration) {
	if p.rate == 0 {
		p.sent += limit
		return limit, now
	}
	p.fill(now)
	if p.next(now) > now {
		return 0, now
	}
	n = min(p.due(now)-p.sent, p.credit/billion, limit)
	// An event is dated when it was due, but at most a tick back: what is late was
	// not made then, it is made now.
	from = max(p.dueAt(p.sent+1)-p.interval(), now-tick, p.stamped)
	p.sent += n
	p.credit -= n * billion
	p.stamped = now
	return n, from
}

// fill adds to the bucket what has passed since it was last filled. It never holds
// more than a tick's worth of a burst, or one event.
func (p *pacer) fill(now time.Duration) {
	full := max(burst*p.rate*int64(tick), billion)
	passed := min(now-p.filled, time.Second) // fills any bucket, and cannot overflow
	p.credit = min(p.credit+burst*p.rate*int64(passed), full)
	p.filled = now
}

// interval is the time between two events.
func (p *pacer) interval() time.Duration { return time.Duration(billion / p.rate) }

// next returns when take will have something again: at the end of the tick in
// which the next event is due, so that what is due within one tick leaves at once.
// It is not before now.
func (p *pacer) next(now time.Duration) time.Duration {
	if p.rate == 0 {
		return now
	}
	at := p.dueAt(p.sent + 1)
	if p.rate > int64(time.Second/tick) {
		at = (at + tick - 1) / tick * tick
	}
	at = max(at, now)
	// While it is catching up it also waits until the bucket holds a tick's events.
	batch := min(max(p.rate*int64(tick)/billion, 1), maxBatch)
	if lack := batch*billion - p.credit; lack > 0 {
		perNano := burst * p.rate
		at = max(at, p.filled+time.Duration((lack+perNano-1)/perNano))
	}
	return at
}

// restart drops what has passed since the event sent last was due, and returns the
// time at which it was: the new now.
func (p *pacer) restart() time.Duration {
	if p.rate == 0 {
		return 0
	}
	now := p.dueAt(p.sent)
	p.filled, p.stamped = now, now
	return now
}

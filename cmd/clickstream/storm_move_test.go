package main

import (
	"math/rand/v2"
	"time"
)

// move is one step of the storm: what is hit, how, and when. It depends on the seed
// and on its number alone, so a seed repeats the storm as far as processes allow.
type move struct {
	wait   time.Duration // after the move before
	calm   bool          // let everything recover first, and measure this recovery alone
	double bool          // kill two at once
	again  bool          // kill it a second time while it starts, after a moment
	victim string
	other  string
	// afterInsert waits until a consumer that is to be hit has inserted, then for delay.
	afterInsert bool
	delay       time.Duration
	// mid kills the engine, or a consumer, in the middle of an insert.
	mid     bool
	pause   time.Duration    // stop for so long instead of a kill
	replace bool             // and start another meanwhile, as if it were dead
	lag     [2]time.Duration // from the kills to the restarts
	member  int              // which of two consumers
}

// drawn returns the nth step of a storm.
func (p *plan) drawn(seed, n uint64) move {
	r := rand.New(rand.NewPCG(seed, n))
	below := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
	s := move{
		wait: below(2 * p.wait), delay: below(300 * time.Millisecond),
		victim: p.pick(r), other: p.pick(r), member: r.IntN(3) / 2,
		lag: [2]time.Duration{below(time.Second), below(time.Second)},
	}
	s.afterInsert = r.IntN(10) < 5
	s.mid = r.IntN(10) < 5
	switch kind, long := r.IntN(100), r.IntN(10); {
	case kind < 20:
		s.calm = true
	case kind < 32:
		s.double = s.other != s.victim
	case kind < 44:
		s.again = true
	case kind < 44+p.pauses && s.victim == "consumer" && long < 4:
		s.pause, s.replace = below(6*time.Second), true
	case kind < 44+p.pauses && long < 7:
		s.pause = below(2 * time.Second)
	case kind < 44+p.pauses && long < 9 || kind < 44+p.pauses && s.victim != "consumer":
		s.pause = 2*time.Second + below(3*time.Second) // an insert that is on its way runs out of time
	case kind < 44+p.pauses:
		s.pause = 10*time.Second + below(2*time.Second) // the group gives its partitions to another
	}
	return s
}

// pick draws a service by the plan's weights.
func (p *plan) pick(r *rand.Rand) string {
	n := r.IntN(100)
	for _, v := range p.victims {
		if n -= v.percent; n < 0 {
			return v.name
		}
	}
	return p.victims[0].name
}

// target returns the service of that name; of the consumers, one of those there are.
func (s *storm) target(name string, member int) *victim {
	switch {
	case name != "consumer":
		return s.services[name]
	case member == 1 && s.second != nil:
		return s.second
	default:
		return s.services["consumer-1"]
	}
}

// make makes a move.
func (s *storm) make(now move) {
	s.sleep(now.wait)
	s.holdFire()
	if now.calm {
		s.settle()
	}
	v := s.target(now.victim, now.member)
	r := v.living()
	if now.victim == "consumer" && now.afterInsert {
		s.awaitInserted(r)
		s.sleep(now.delay)
	}
	if now.replace {
		s.note("%s is stopped for %s and replaced", v.name, now.pause)
		v.replace(r, now.pause, 10*now.delay)
		s.replaced++
		return
	}
	if now.pause > 0 {
		s.note("%s is stopped for %s", v.name, now.pause)
		v.pause(r, now.pause)
		s.pauses++
		return
	}
	if now.mid && (now.victim == "engine" || v.name == "consumer-1") {
		s.awaitMidInsert(now.delay / 30)
	}
	s.strike(v, r, now.lag[0])
	if now.double || now.again {
		s.strikeNext(v, now)
	}
	if now.calm {
		s.measure(v)
	}
}

// awaitMidInsert returns within d of the moment when a consumer's rows went to the
// engine: it takes some milliseconds to store and acknowledge them.
func (s *storm) awaitMidInsert(d time.Duration) {
	select {
	case <-s.proxy.held: // of a call that gave up
	default:
	}
	s.proxy.fault.Store(tell)
	late := time.NewTimer(3 * time.Second)
	defer late.Stop()
	select {
	case <-s.proxy.held:
		s.midInsert++
		s.sleep(d)
	case <-late.C:
		s.proxy.fault.Store(passOn)
	}
}

// strikeNext makes the second kill of a move.
func (s *storm) strikeNext(v *victim, now move) {
	if now.again {
		v.living()
		s.sleep(2 * now.delay)
	} else {
		v = s.target(now.other, now.member)
	}
	s.strike(v, v.living(), now.lag[1])
}

// strike kills a life and counts it.
func (s *storm) strike(v *victim, r *life, lag time.Duration) {
	inserted := r.hasInserted()
	select {
	case <-r.done:
		return // it ended by itself, which its watcher reports
	default:
	}
	s.note("%s is killed after %s (has inserted: %t), starts again in %s", v.name, time.Since(r.began).Round(time.Millisecond), inserted, lag)
	v.kill(r, lag)
	s.count(v.name, inserted)
}

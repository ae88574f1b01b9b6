package exactlyonce

import (
	"fmt"
	"math/rand/v2"
)

// mood is what a schedule's world is like; drawn per schedule, so that some are
// nearly sane and others send every other message late. Chances are in percent.
type mood struct {
	lossy     int   // messages that never arrive
	slow      int   // messages and server steps that take up to slowTicks
	slowTicks int64 // far beyond callTicks, so that requests outlive their callers
	pause     int   // answers on which the process stops for up to slowTicks (SIGSTOP)
	failing   int   // steps of an insert at which it ends with an error
	cutting   int   // reads that the server cuts short without a word
	downTicks int64 // that a restart of the server takes at most
	fencing   int64 // ticks that a fence write takes at most: they overlap
	split     int64 // table partitions that an insert commits one by one
}

const (
	// callTicks is how long a worker waits for an answer. Without faults one takes
	// up to 20 ticks.
	callTicks = 40
	// faultTicks is how long faults happen; then everything has to come right.
	faultTicks = 400
)

func drawMood(r *rand.Rand) mood {
	pick := func(of ...int) int { return of[r.IntN(len(of))] }
	return mood{
		lossy:     pick(0, 2, 8),
		slow:      pick(2, 10, 30),
		slowTicks: int64(pick(60, 150, 300)),
		pause:     pick(0, 1, 5),
		failing:   pick(0, 3, 10),
		cutting:   pick(0, 0, 10),
		downTicks: int64(pick(5, 60)),
		fencing:   int64(pick(3, 30, 60)),
		split:     int64(pick(1, 2, 3)),
	}
}

// sim is a world with one clock and one source of chance: a seed gives one history.
type sim struct {
	mood
	rnd   *rand.Rand
	now   int64
	queue []event
	count uint64 // of events so far: breaks ties in time, in the order of creation
	// violated is the first invariant that did not hold, and how; it ends the schedule.
	violated string
	// harmOnly lets I1 to I4 pass: only a lost or duplicate row is a violation.
	harmOnly bool
	// trace, if set, is told what happens.
	trace func(line string)
}

type event struct {
	at    int64
	order uint64
	do    func()
}

func (e event) before(o event) bool {
	return e.at < o.at || e.at == o.at && e.order < o.order
}

// after puts an event into the queue, a binary heap.
func (s *sim) after(ticks int64, do func()) {
	s.count++
	q := append(s.queue, event{s.now + ticks, s.count, do})
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q[i].before(q[up]) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
	s.queue = q
}

// step runs the earliest event.
func (s *sim) step() {
	q := s.queue
	first, last := q[0], len(q)-1
	q[0], q[last] = q[last], event{}
	q = q[:last]
	for i := 0; ; {
		least := i
		for down := 2*i + 1; down <= 2*i+2 && down < last; down++ {
			if q[down].before(q[least]) {
				least = down
			}
		}
		if least == i {
			break
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
	s.queue, s.now = q, first.at
	first.do()
}

// chance is true in percent of a hundred cases, and never once faults are over.
func (s *sim) chance(percent int) bool {
	return !s.calm() && percent > 0 && s.rnd.IntN(100) < percent
}

func (s *sim) calm() bool { return s.now >= faultTicks }

// delay is how long a message or a step of the server takes.
func (s *sim) delay() int64 {
	if s.chance(s.slow) {
		return 4 + s.rnd.Int64N(s.slowTicks)
	}
	return 1 + s.rnd.Int64N(3)
}

func (s *sim) fenceDelay() int64 {
	if s.calm() {
		return s.delay()
	}
	return 1 + s.rnd.Int64N(s.fencing)
}

// send brings a message to the other side, late, out of order, or not at all.
func (s *sim) send(arrive func()) {
	if !s.chance(s.lossy) {
		s.after(s.delay(), arrive)
	}
}

func (s *sim) violate(invariant, format string, args ...any) {
	if s.violated == "" && !(s.harmOnly && invariant[0] == 'I') {
		s.violated = invariant + ": " + fmt.Sprintf(format, args...)
		s.logf("VIOLATED %s", s.violated)
	}
}

func (s *sim) logf(format string, args ...any) {
	if s.trace != nil {
		s.trace(fmt.Sprintf("%5d  ", s.now) + fmt.Sprintf(format, args...))
	}
}

package simulator

import (
	"errors"
	"math"
	"slices"
	"time"
)

// rhythmStep is how finely the hours of a day pass into each other.
const rhythmStep = 15 * time.Minute

const weekSeconds = float64(week / time.Second)

// stretch is a part of the week in which nothing changes.
type stretch struct {
	from   float64 // seconds of scenario time since Monday, 00:00
	before float64 // busy seconds of the week before it
	rate   float64 // how busy: 1 is the mean, 0 an outage
	on     []int   // what happens, as indexes of the timeline
	outage bool
}

// calendar is a scenario's week, over and over. It turns the time that passes into
// busy time, of which a second brings as many events as the rate says, whatever the
// hour. It is pure; the zero time is where in the week a run began.
type calendar struct {
	factor    float64
	start     float64 // seconds of scenario time since some Monday, 00:00
	stretches []stretch
	total     float64 // busy seconds of a week
	flat      bool    // a busy second is a second, always
}

// newCalendar lays out the week. Without the rhythm only outages change how busy it
// is. start is the scenario time at which the run begins, since some Monday.
func newCalendar(s *scenario, rhythm bool, start float64) (*calendar, error) {
	c := &calendar{factor: s.timeFactor, start: start, flat: true}
	edges := s.edges(rhythm)
	for i, from := range edges {
		to := week
		if i+1 < len(edges) {
			to = edges[i+1]
		}
		st := stretch{from: from.Seconds(), before: c.total, rate: 1}
		if rhythm {
			st.rate = s.busyness(from + (to-from)/2)
		}
		for k, h := range s.timeline {
			if (from-h.at+week)%h.every >= h.length {
				continue
			}
			st.on = append(st.on, k)
			if rhythm {
				st.rate *= h.traffic
			}
			st.outage = st.outage || h.outage
		}
		if st.outage {
			st.rate = 0
		}
		c.flat = c.flat && st.rate == 1
		c.total += st.rate * (to - from).Seconds()
		c.stretches = append(c.stretches, st)
	}
	if c.total < weekSeconds/1000 {
		return nil, errors.New("scenario: the shop is open less than a thousandth of its time: shorten the outages or raise traffic")
	}
	return c, nil
}

// edges returns the moments of the week at which something changes.
func (s *scenario) edges(rhythm bool) []time.Duration {
	edges := []time.Duration{0}
	for at := time.Duration(0); rhythm && at < week; at += rhythmStep {
		edges = append(edges, at)
	}
	for _, h := range s.timeline {
		for at := h.at; at < h.at+week; at += h.every {
			edges = append(edges, at%week, (at+h.length)%week)
		}
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// busyness is the rhythm at a moment of the week; its mean over a week is 1. An
// hour's figure holds at its middle, and passes evenly into the next.
func (s *scenario) busyness(at time.Duration) float64 {
	var hours, days float64
	for _, v := range s.hours {
		hours += v / 24
	}
	for _, v := range s.days {
		days += v / 7
	}
	hour := at.Hours() - 0.5
	whole := math.Floor(hour)
	here, next := (int(whole)+24)%24, (int(whole)+25)%24
	mixed := s.hours[here] + (hour-whole)*(s.hours[next]-s.hours[here])
	return mixed / hours * s.days[int(at/(24*time.Hour))] / days
}

// busy returns the busy time of what has passed since the start.
func (c *calendar) busy(passed time.Duration) time.Duration {
	if c.flat {
		return passed
	}
	return seconds((c.upTo(c.start+passed.Seconds()*c.factor) - c.upTo(c.start)) / c.factor)
}

// passed returns when busy time since the start is reached: the inverse of busy, not
// before it. Where nothing is busy, it is the end of that.
func (c *calendar) passed(busy time.Duration) time.Duration {
	if c.flat {
		return busy
	}
	at := seconds((c.reached(c.upTo(c.start)+busy.Seconds()*c.factor) - c.start) / c.factor)
	for step := time.Duration(1); c.busy(at) < busy; step *= 2 { // floats round
		at += step
	}
	return max(at, 0)
}

// upTo returns the busy seconds up to a scenario time since the Monday of the start.
func (c *calendar) upTo(at float64) float64 {
	weeks := math.Floor(at / weekSeconds)
	at -= weeks * weekSeconds
	i, _ := slices.BinarySearchFunc(c.stretches, at, func(s stretch, at float64) int {
		if s.from <= at {
			return -1
		}
		return 1
	})
	s := &c.stretches[max(i-1, 0)]
	return weeks*c.total + s.before + s.rate*(at-s.from)
}

// reached is the inverse of upTo.
func (c *calendar) reached(busy float64) float64 {
	weeks, i := c.find(busy)
	s := &c.stretches[i]
	return weeks*weekSeconds + s.from + (busy-weeks*c.total-s.before)/s.rate
}

// find returns the week, counted from the Monday of the start, and the stretch in
// which so many busy seconds are reached. Its rate is above 0.
func (c *calendar) find(busy float64) (weeks float64, i int) {
	weeks = math.Floor(busy / c.total)
	busy -= weeks * c.total
	i, _ = slices.BinarySearchFunc(c.stretches, busy, func(s stretch, busy float64) int {
		if s.before <= busy {
			return -1
		}
		return 1
	})
	for i = max(i-1, 0); c.stretches[i].rate == 0; { // only by rounding, at the end of a week
		if i++; i == len(c.stretches) {
			weeks, i = weeks+1, 0
		}
	}
	return weeks, i
}

// end returns the busy seconds at the end of a stretch of some week.
func (c *calendar) end(weeks float64, i int) float64 {
	if i+1 == len(c.stretches) {
		return (weeks + 1) * c.total
	}
	return weeks*c.total + c.stretches[i+1].before
}

// seconds turns seconds into a Duration, the latest one if they are too many.
func seconds(s float64) time.Duration {
	if s >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}

// outageBetween reports whether the shop was closed between two stretches, the
// later of which is the next that is open.
func (c *calendar) outageBetween(before, now int) bool {
	for i := (before + 1) % len(c.stretches); i != now; i = (i + 1) % len(c.stretches) {
		if c.stretches[i].outage {
			return true
		}
	}
	return false
}

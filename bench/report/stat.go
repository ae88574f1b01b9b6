// Package report turns what the bench measured into text: medians with their spread,
// tables in Markdown, and the part of a page that is written anew each time.
package report

import (
	"math"
	"slices"
	"time"
)

// Spread is the middle of some runs, and their lowest and highest.
type Spread struct{ Median, Low, High float64 }

// Of sums up runs; without any it is all zeros. Of an even number of runs the middle
// is halfway between the two in the middle.
func Of(runs ...float64) Spread {
	if len(runs) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(runs))
	n := len(s)
	return Spread{Median: (s[(n-1)/2] + s[n/2]) / 2, Low: s[0], High: s[n-1]}
}

// Delay is how long some events took.
type Delay struct {
	Took   time.Duration
	Events uint64
}

// Quantile returns the shortest delay that at least q of all events do not exceed
// (nearest rank); 0 without any events.
func Quantile(delays []Delay, q float64) time.Duration {
	delays = slices.SortedFunc(slices.Values(delays), func(a, b Delay) int { return int(a.Took - b.Took) })
	var all uint64
	for _, d := range delays {
		all += d.Events
	}
	rank := max(uint64(math.Ceil(q*float64(all))), 1)
	var seen uint64
	for _, d := range delays {
		if seen += d.Events; seen >= rank {
			return d.Took
		}
	}
	return 0
}

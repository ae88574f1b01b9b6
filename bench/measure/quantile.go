package main

import (
	"math"
	"slices"
	"time"
)

// quantile returns the smallest sample that at least q of all samples do not exceed
// (nearest rank). Samples must be sorted; without any it is 0.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func sorted(samples []time.Duration) []time.Duration {
	out := slices.Clone(samples)
	slices.Sort(out)
	return out
}

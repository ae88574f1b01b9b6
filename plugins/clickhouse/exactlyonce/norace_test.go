//go:build !race

package exactlyonce

// usualSchedules take a few seconds.
const usualSchedules = 20_000

var mutantSeeds = []uint64{1, 2, 3}

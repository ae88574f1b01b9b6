//go:build race

package exactlyonce

// usualSchedules is fewer under the race detector, which is nine times slower; a
// schedule runs in one goroutine at a time, so there is little for it to find.
const usualSchedules = 2_000

var mutantSeeds = []uint64{3}

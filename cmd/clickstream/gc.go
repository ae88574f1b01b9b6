package main

import (
	"os"
	"runtime/debug"
)

// What the garbage collector is told unless the environment says otherwise, by
// measurement (`make bench`, docs/decisions.md): a backlog drains as fast as without a
// limit, and the process stays below 256 MiB, whatever its servers do.
const (
	gcPercent = 200
	// memoryLimit is for the heap; the binary's own pages come on top. Raise it by
	// GOMEMLIMIT along with max_in_flight_bytes, or the collector never rests.
	memoryLimit = 212 << 20
)

// tuneGC sets these defaults. GOGC and GOMEMLIMIT, which Go itself reads, win.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

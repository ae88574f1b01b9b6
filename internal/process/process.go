// Package process is what the plugins tell the process they run in: an error that
// no retry can mend, data that a stop left behind, and whether a server answers.
// It holds state for the whole process, as an exit code does; cmd/clickstream is
// its only reader, and a program that embeds the plugins may ignore it.
package process

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

var (
	fatal   = make(chan error, 1)
	unacked atomic.Int64

	stopping = make(chan struct{})
	stopOnce sync.Once

	mu     sync.Mutex
	checks = map[string]error{}
	// unreached are the names of checks that were never nil.
	unreached = map[string]bool{}

	version atomic.Pointer[string]
)

// SetVersion says which version of the program runs.
func SetVersion(v string) { version.Store(&v) }

// Version returns what SetVersion said, "" before.
func Version() string {
	if v := version.Load(); v != nil {
		return *v
	}
	return ""
}

// Fatal asks the process to stop with err: wrong credentials, a missing table.
// It returns at once; the first error wins. The caller goes on as if it waited
// for its server, since an embedding program may choose not to stop.
func Fatal(err error) {
	select {
	case fatal <- err:
	default:
	}
}

// Fatals yields the first error given to Fatal.
func Fatals() <-chan error { return fatal }

// AddUnacked counts messages that were taken in and neither delivered nor given
// back when a plugin closed. Above zero the process exits with code 3. The sum is no
// number of events: an input and an output may speak of the same ones, and of a
// single batch only the output knows whether Benthos had dropped it before.
func AddUnacked(n int) { unacked.Add(int64(n)) }

// Unacked returns the sum of AddUnacked.
func Unacked() int64 { return unacked.Load() }

// Stop says that the process has been asked to stop; further calls do nothing.
func Stop() { stopOnce.Do(func() { close(stopping) }) }

// Stopping is closed once the process has been asked to stop. Benthos tells an
// output only after everything has been acknowledged, so one that gathers rows
// would not know that nobody waits for more.
func Stopping() <-chan struct{} { return stopping }

// SetHealth records whether the server called name can be reached: nil when it
// answers. /ready answers 503 while any is not nil.
func SetHealth(name string, err error) {
	mu.Lock()
	defer mu.Unlock()
	if _, known := checks[name]; !known {
		unreached[name] = true
	}
	if err == nil {
		delete(unreached, name)
	}
	checks[name] = err
}

// ForgetHealth drops name, when its plugin closes.
func ForgetHealth(name string) {
	mu.Lock()
	defer mu.Unlock()
	delete(checks, name)
	delete(unreached, name)
}

// Unreached returns the names of servers that have not answered once, sorted.
func Unreached() []string {
	mu.Lock()
	defer mu.Unlock()
	return slices.Sorted(maps.Keys(unreached))
}

// Health returns what SetHealth recorded, by name.
func Health() map[string]error {
	mu.Lock()
	defer mu.Unlock()
	out := make(map[string]error, len(checks))
	for name, err := range checks {
		out[name] = err
	}
	return out
}

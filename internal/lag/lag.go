// Package lag is where the inputs of this process say how far behind they are, for
// an output that writes it down. It is state of the whole process, as
// internal/process is: Benthos gives an output no way to its input.
package lag

import (
	"slices"
	"sync"
	"time"
)

// Partition is how one assigned partition stands.
type Partition struct {
	Topic  string
	Number int32
	// Events is the log's end less what is committed or could be.
	Events int64
	// Age is how long the oldest record that was read and is not stored exists; 0
	// if there is none.
	Age time.Duration
	// Consumed counts the records read since the process started, in whatever
	// assignment.
	Consumed uint64
}

// Report is what one input says.
type Report struct {
	Partitions []Partition
	// Assignments counts how often the group assigned partitions to this input.
	Assignments uint64
}

var (
	mu      sync.Mutex
	readers []*func() Report
)

// Register makes an input known. read may be called at any time from any goroutine,
// until forget has returned.
func Register(read func() Report) (forget func()) {
	mu.Lock()
	defer mu.Unlock()
	entry := &read
	readers = append(readers, entry)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		readers = slices.DeleteFunc(readers, func(r *func() Report) bool { return r == entry })
	}
}

// Reports asks every input.
func Reports() []Report {
	mu.Lock()
	defer mu.Unlock()
	reports := make([]Report, len(readers))
	for i, read := range readers {
		reports[i] = (*read)()
	}
	return reports
}

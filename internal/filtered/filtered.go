// Package filtered is where an input says which records were acknowledged and have
// reached no table, since a processor has dropped them, for the output that writes it
// down. It is state of the whole process, as internal/lag is: Benthos gives an input no
// way to an output.
package filtered

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Range is consecutive offsets of one partition that one group has read.
type Range struct {
	Stream      uint64
	Partition   int32
	Group       string
	First, Last int64
}

// Sink writes ranges down. It may be called by several inputs at once.
type Sink func(context.Context, []Range) error

var (
	mu      sync.Mutex
	sinks   []*Sink
	allowed bool
)

// Allow lets inputs say which records were dropped. Whoever calls it knows all pipelines
// of the process, and that none has a buffer (pack.Buffered).
func Allow() {
	mu.Lock()
	defer mu.Unlock()
	allowed = true
}

// Register makes an output known that stores ranges, until forget.
func Register(sink Sink) (forget func()) {
	mu.Lock()
	defer mu.Unlock()
	entry := &sink
	sinks = append(sinks, entry)
	return func() {
		mu.Lock()
		defer mu.Unlock()
		sinks = slices.DeleteFunc(sinks, func(s *Sink) bool { return s == entry })
	}
}

// Wanted reports whether anybody writes ranges down, and they would be true.
func Wanted() bool {
	mu.Lock()
	defer mu.Unlock()
	return allowed && len(sinks) > 0
}

// ErrNobody says that who would have written the ranges down is gone.
var ErrNobody = errors.New("the output that notes filtered records has closed")

// Store returns when every output has written the ranges down.
func Store(ctx context.Context, ranges []Range) error {
	if len(ranges) == 0 {
		return nil
	}
	mu.Lock()
	all := slices.Clone(sinks)
	mu.Unlock()
	if len(all) == 0 {
		return ErrNobody
	}
	for _, sink := range all {
		if err := (*sink)(ctx, ranges); err != nil {
			return err
		}
	}
	return nil
}

// Package redelivery is what our inputs do with batches that an output refused: tell which
// of their messages it was, and hand them out again after a while. It does what
// service.AutoRetryNacksBatched does, without its eight allocations an event.
package redelivery

import (
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// A refused batch is handed out again after minBackOff, doubled each time up to
// maxBackOff. Outputs retry by themselves what retrying can mend, so this is rare.
const (
	minBackOff = 100 * time.Millisecond
	maxBackOff = 5 * time.Second
)

// Limit is how many refused batches may wait before new ones are made: an output that
// refuses everything must not fill the memory.
const Limit = 16

// Queue holds refused batches until their time has come. Its zero value is empty; one
// goroutine at a time may use it.
type Queue[B any] struct{ waiting []waiting[B] }

type waiting[B any] struct {
	batch B
	due   time.Time
}

// Add takes a batch that was handed out so many times, 1 or more, and refused each time.
func (q *Queue[B]) Add(b B, handings int, now time.Time) {
	q.waiting = append(q.waiting, waiting[B]{b, now.Add(min(minBackOff<<min(handings-1, 10), maxBackOff))})
}

// Take returns the first batch whose time has come, if there is one, and forgets it.
func (q *Queue[B]) Take(now time.Time) (b B, ok bool) {
	i := slices.IndexFunc(q.waiting, func(w waiting[B]) bool { return !w.due.After(now) })
	if i < 0 {
		return b, false
	}
	b = q.waiting[i].batch
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return b, true
}

// Due is when the next batch is to be taken; zero: none waits.
func (q *Queue[B]) Due() (next time.Time) {
	for _, w := range q.waiting {
		if next.IsZero() || w.due.Before(next) {
			next = w.due
		}
	}
	return next
}

// Len is how many batches wait.
func (q *Queue[B]) Len() int { return len(q.waiting) }

// Full reports whether so many batches wait that no new ones should be made.
func (q *Queue[B]) Full() bool { return len(q.waiting) >= Limit }

// All yields the batches that wait.
func (q *Queue[B]) All() iter.Seq[B] {
	return func(yield func(B) bool) {
		for _, w := range q.waiting {
			if !yield(w.batch) {
				return
			}
		}
	}
}

// Refused returns the indexes of the messages that an output's error names, of n whose
// bytes, never none, are those of record. They are told by where their bytes lie, which
// costs nothing until something fails; nil if the error names none, or a processor made
// others of them: then nobody can tell what arrived.
func Refused(err error, n int, record func(i int) []byte) (indexes []int) {
	var partial *service.BatchError
	if !errors.As(err, &partial) || partial.IndexedErrors() == 0 {
		return nil
	}
	index := make(map[*byte]int, n)
	for i := range n {
		index[&record(i)[0]] = i
	}
	known := true
	//nolint:staticcheck // deprecated for its indexes, which are not used here
	partial.WalkMessages(func(_ int, m *service.Message, err error) bool {
		if err == nil {
			return true
		}
		data, readErr := m.AsBytes()
		if readErr != nil || len(data) == 0 {
			known = false
			return false
		}
		i, ok := index[&data[0]]
		known = known && ok
		indexes = append(indexes, i)
		return known
	})
	if !known {
		return nil
	}
	return indexes
}

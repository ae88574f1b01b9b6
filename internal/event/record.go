package event

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Record says which Kafka record a message was made of. A message carries it as its
// context, and a message that processors may touch under the metadata key RecordKey
// too: of a batch from which a processor drops or splits messages, Benthos gives the
// contexts back by position, so that a message would pass for one of its neighbours.
//
// The Kafka input makes one slice of them per batch.
type Record struct {
	context.Context
	Coordinate
	// Keyed says that the message was given the metadata RecordKey.
	Keyed bool
	// Reached is set by an output that has the record in a table, or will not acknowledge
	// it before.
	Reached atomic.Bool
}

// RecordKey is the metadata key of a message's *Record.
const RecordKey = "clickstream_record"

type recordKey struct{}

// Value returns the record itself for this package's own key, and what the
// parent context holds for any other.
func (r *Record) Value(key any) any {
	if _, ok := key.(recordKey); ok {
		return r
	}
	return r.Context.Value(key)
}

// MarshalText is how the metadata key looks to a mapping that writes it into a document.
func (r *Record) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s/%d/%d", r.Topic, r.Partition, r.Offset), nil
}

// Message is what a message of Benthos tells of itself.
type Message interface {
	Context() context.Context
	MetaGetMut(key string) (any, bool)
}

// RecordOf returns the record that a message was made of, or nil if it did not come from
// the Kafka input. known is false if nobody can tell: it did, and a processor has
// removed its metadata.
func RecordOf(m Message) (r *Record, known bool) {
	r, _ = m.Context().Value(recordKey{}).(*Record)
	if r == nil || !r.Keyed {
		return r, true
	}
	value, _ := m.MetaGetMut(RecordKey)
	r, known = value.(*Record)
	return r, known
}

// CoordinateOf returns the coordinate of the record that a message was made of, or nil if
// it did not come from the Kafka input or nobody can tell.
func CoordinateOf(m Message) *Coordinate {
	if r, _ := RecordOf(m); r != nil {
		return &r.Coordinate
	}
	return nil
}

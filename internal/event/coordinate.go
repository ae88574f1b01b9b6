package event

import (
	"context"
	"errors"
	"time"
)

// ErrRevoked is what Source.Confirm returns (wrapped or not) when the group has given
// the partition away: nothing of this assignment is committed from then on, and
// whoever has the partition next reads its records from the committed offset.
var ErrRevoked = errors.New("assignment is over")

// Source is one Kafka partition as a consumer sees it. All records of one
// assignment share one Source, and no other assignment has it, so a record carries
// a pointer and two numbers.
type Source struct {
	// Topic is the topic's name, for people; Stream is what identifies it.
	Topic string
	// Stream is a hash of cluster id and topic id (both survive a restart, and a
	// topic that is deleted and created anew gets another one).
	Stream uint64
	// Partition is the partition's number within the topic.
	Partition int32
	// Session is how long the group waits for a member that it does not hear of before
	// it gives its partitions away; 0 if nobody knows.
	Session time.Duration
	// Commit commits the assignment's position in the group's current generation, even
	// if it has not moved. Nil: there is no group.
	Commit func(context.Context) error
}

// Confirm asks the group whether the partition is still this assignment's. Nil says
// that it is, ErrRevoked that it is not, any other error that nobody knows.
func (s *Source) Confirm(ctx context.Context) error {
	if s.Commit == nil {
		return nil
	}
	return s.Commit(ctx)
}

// Coordinate says where a Kafka record lies: (Stream, Partition, Offset) is
// unique for ever, whatever is redelivered.
type Coordinate struct {
	*Source
	// Offset is the record's position within the partition.
	Offset int64
	// Time is the record's timestamp as the broker reports it.
	Time time.Time
	// Key is the record's key; nil if it has none. It must not be modified.
	Key []byte
}

package exactlyonce

import (
	"context"
	"errors"

	source "clickstream/internal/event"
)

// ErrStale is what [Table.Insert] returns (wrapped or not) when the server's
// constraint refused a row because the fence names another owner: code 469 with
// the constraint's name. It promises that no row of the insert is or will be
// visible, so it is only for an insert that is one block. Every other error means
// that the outcome is unknown.
var ErrStale = errors.New("owner is not the one in the fence")

// ErrRevoked is what [Assignment.Confirm] returns (wrapped or not) when the group
// has given the partition away. It promises that nothing of this assignment is
// committed from then on. If the partition stays with this member all the same,
// its records must come again, from the committed offset, under a new assignment.
var ErrRevoked = source.ErrRevoked

// Partition names one Kafka partition for ever: Stream is a hash of cluster and
// topic id, so a topic that is deleted and created again has other Partitions.
type Partition struct {
	Stream uint64
	Number int32
}

// ID is a row's event id; zero for a table that has no such column.
type ID [16]byte

// Row is what the protocol must know of a row. Index is the caller's, to find the
// row's columns again when [Table.Insert] is asked for it.
type Row struct {
	Offset int64
	ID     ID
	Index  int
}

// Claim is a partition and the owner id drawn for it. Owner is never 0, which the
// server gives as the owner of a partition that no one has fenced yet.
type Claim struct {
	Partition
	Owner uint64
}

// Range is the offsets First to Last, both included, of one partition.
type Range struct {
	Partition
	First, Last int64
}

// Piece is the rows of one partition within an insert, in ascending offsets. Each
// of its rows goes into the table with the claim's Stream, Number and Owner.
type Piece struct {
	Claim
	Rows []Row
}

// Table is one ClickHouse table and its fence. Every method makes one attempt,
// within a time limit of its own, and must not be repeated below: not by a driver
// that reconnects, not by a proxy. All errors are safe at any moment.
//
// Two tables must not share a fence, and two Writers of one process must not write
// to the same partition of one table: they would take it from each other.
type Table interface {
	// Fence makes each claim's owner the partition's owner. It returns nil only if
	// the server has acknowledged all of them.
	Fence(ctx context.Context, claims []Claim) error

	// Drain ends every running insert that names one of the partitions under
	// another owner, and returns nil only after it has seen the server run none.
	// One that takes long to die should be an error after a moment, as the
	// Writer's other partitions wait meanwhile; Drain is called again.
	Drain(ctx context.Context, claims []Claim) error

	// Tops returns the highest visible offset of each partition that has rows, for
	// all of the partitions or not at all.
	Tops(ctx context.Context, partitions []Partition) (map[Partition]int64, error)

	// Read calls seen for every visible row in the ranges, and returns nil only if
	// it has seen them all.
	Read(ctx context.Context, ranges []Range, seen func(Partition, int64, ID)) error

	// Insert adds the rows of all pieces as one insert of one block, which names
	// all its claims where Drain finds them. It returns nil only if the server has
	// acknowledged it, and ErrStale only if it was refused for an owner.
	Insert(ctx context.Context, pieces []Piece) error
}

// Assignment is one stay of a partition with this member of the consumer group:
// one value per stay, compared with ==, so usually a pointer. A nil Assignment is
// a source without a group; it is always confirmed.
type Assignment interface {
	// Confirm commits the partition's offset as it stands (only what is Written) in
	// the group's current generation. It returns nil only if the group accepted,
	// and ErrRevoked only if the assignment is over; any other error is "do not
	// know", and it is called again. A refusal counts only if the member is still in
	// the generation that it asked in: one that has since joined a later generation,
	// and kept the partition, does not know.
	Confirm(ctx context.Context) error
}

package exactlyonce

import (
	"context"
	"errors"
	"fmt"
)

// Outcome is what became of a [Part].
type Outcome int

const (
	// Pending: offer the part again, whole or cut differently.
	Pending Outcome = iota
	// Written: every row is visible, exactly once. Its offsets may be committed.
	Written
	// Dropped: the group gave the partition to another member, which will read the
	// records again. Nothing of this assignment may be committed any more.
	Dropped
)

// Part is rows of one partition under one assignment. Write may reorder Rows, and
// sets Outcome. Rows may repeat and may come in any order; rows in ascending order
// that continue where the last ones ended are what costs nothing.
type Part struct {
	Partition
	Assignment Assignment
	Rows       []Row
	Outcome    Outcome
}

// Collision is rows whose coordinates are taken by rows with other event ids: the
// broker gave their offsets out a second time. They are stored under To.
type Collision struct {
	From, To Partition
	Rows     []Row
}

// Writer runs the protocol for one table. It belongs to one goroutine, so it has
// one insert in flight. The zero value with Table and Draw set is ready.
type Writer struct {
	Table Table
	// Draw returns 64 random bits: an owner id that nobody has ever drawn before.
	Draw func() uint64
	// Collided, if set, hears of collisions before their rows are inserted, and
	// hears of them again if that has to be repeated. It should count and be loud.
	Collided func(Collision)

	held map[Partition]*holding
}

// Write makes one attempt to bring all pending parts into the table, recovering
// the partitions that need it, and sets the outcome of those that are settled.
//
// It returns nil if none is left pending. Otherwise the error says why, and the
// caller waits a moment and offers the pending parts again, for ever: a part stays
// pending until its rows are known to be visible, or its assignment to be over.
// An error never means that a row was not inserted. A part without rows only
// recovers its partition, which spares the first rows the wait.
func (w *Writer) Write(ctx context.Context, parts []*Part) error {
	var errs []error
	for len(parts) > 0 {
		var round []*attempt
		round, parts = w.round(parts)
		errs = append(errs, w.recover(ctx, round))
		errs = append(errs, w.readBack(ctx, round))
		errs = append(errs, w.insert(ctx, sifted(round)))
		errs = append(errs, w.divert(ctx, round))
	}
	return errors.Join(errs...)
}

// attempt is one part on its way through Write.
type attempt struct {
	*Part
	*holding
	// ascends: the rows came in ascending order, none of them twice.
	ascends bool
	// found says of each row what the read-back saw; nil if nothing was read.
	found []finding
	// insert is the rows to insert, collided those whose coordinates are taken;
	// both count only once sifted is set.
	insert, collided []Row
	sifted           bool
}

// round takes one pending part of each partition, and returns the others for later:
// a partition has one insert at a time, so that each knows what the last one did.
func (w *Writer) round(parts []*Part) (round []*attempt, rest []*Part) {
	taken := make(map[Partition]bool, len(parts))
	for _, p := range parts {
		switch {
		case p.Outcome != Pending:
		case taken[p.Partition]:
			rest = append(rest, p)
		default:
			taken[p.Partition] = true
			round = append(round, &attempt{Part: p, holding: w.hold(p)})
		}
	}
	return round, rest
}

// insert sends the rows of all attempts as one insert.
func (w *Writer) insert(ctx context.Context, as []*attempt) error {
	var sent []*attempt
	var pieces []Piece
	for _, a := range as {
		if len(a.insert) == 0 {
			a.Outcome = Written
			continue
		}
		sent = append(sent, a)
		pieces = append(pieces, Piece{Claim: a.claim, Rows: a.insert})
	}
	if len(sent) == 0 {
		return nil
	}
	err := w.Table.Insert(ctx, pieces)
	switch {
	case err == nil:
		for _, a := range sent {
			a.absent = a.absent.without(a.insert)
			a.Outcome = Written
		}
		return nil
	case !errors.Is(err, ErrStale):
		// It may have happened, in part, or may still happen: only a new owner id
		// keeps it out, and only a read-back tells.
		for _, a := range sent {
			a.stage = unfenced
		}
	case len(sent) > 1:
		// One stale owner had the whole block refused. Nothing is in, so the ids of
		// the others are as good as before; alone each of them shows who it was.
		return w.insertSingly(ctx, sent)
	default:
		sent[0].stage = lost
	}
	return fmt.Errorf("insert of %d partitions: %w", len(sent), err)
}

func (w *Writer) insertSingly(ctx context.Context, as []*attempt) error {
	var errs []error
	for i := range as {
		errs = append(errs, w.insert(ctx, as[i:i+1]))
	}
	return errors.Join(errs...)
}

// sifted returns the attempts that need nothing but their insert.
func sifted(round []*attempt) []*attempt {
	var ready []*attempt
	for _, a := range round {
		if a.sifted {
			ready = append(ready, a)
		}
	}
	return ready
}

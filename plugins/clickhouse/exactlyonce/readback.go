package exactlyonce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// finding is what a read-back saw at a row's offset.
type finding uint8

const (
	nothing finding = iota
	another         // rows with other event ids only
	itself
)

// readBack decides for every owned partition of the round which rows to insert,
// and reads for that what is not known to be absent. Memory is a byte a row; what
// the server returns is compared as it comes, not kept.
func (w *Writer) readBack(ctx context.Context, round []*attempt) error {
	var ranges []Range
	asked := make(map[Partition]*attempt)
	for _, a := range round {
		if a.stage != owned {
			continue
		}
		a.order()
		if r, ok := a.unknown(); ok {
			ranges = append(ranges, r)
			asked[r.Partition] = a
			a.found = make([]finding, len(a.Rows))
		} else {
			a.sift()
		}
	}
	if len(ranges) == 0 {
		return nil
	}
	err := w.Table.Read(ctx, ranges, func(p Partition, offset int64, id ID) {
		if a := asked[p]; a != nil {
			a.see(offset, id)
		}
	})
	if err != nil {
		return fmt.Errorf("read-back of %d partitions: %w", len(ranges), err)
	}
	for _, a := range asked {
		a.sift()
	}
	return nil
}

// order sorts the rows by offset, if they are not, and notes whether any repeat.
func (a *attempt) order() {
	if a.ascends = ascending(a.Rows); !a.ascends {
		slices.SortStableFunc(a.Rows, func(x, y Row) int { return cmp.Compare(x.Offset, y.Offset) })
	}
}

func ascending(rows []Row) bool {
	for i := 1; i < len(rows); i++ {
		if rows[i-1].Offset >= rows[i].Offset {
			return false
		}
	}
	return true
}

// unknown returns the range from the first to the last row that is not known to be
// absent, and false if there is none.
func (a *attempt) unknown() (Range, bool) {
	if len(a.Rows) == 0 || a.absent.hasFrom(a.Rows[0].Offset) {
		return Range{}, false
	}
	known := func(r Row) bool { return a.absent.has(r.Offset) }
	first := slices.IndexFunc(a.Rows, func(r Row) bool { return !known(r) })
	if first < 0 {
		return Range{}, false
	}
	last := len(a.Rows) - 1
	for known(a.Rows[last]) {
		last--
	}
	return Range{Partition: a.claim.Partition, First: a.Rows[first].Offset, Last: a.Rows[last].Offset}, true
}

// see notes a visible row.
func (a *attempt) see(offset int64, id ID) {
	i, _ := slices.BinarySearchFunc(a.Rows, offset, func(r Row, o int64) int { return cmp.Compare(r.Offset, o) })
	for ; i < len(a.Rows) && a.Rows[i].Offset == offset; i++ {
		if a.Rows[i].ID == id {
			a.found[i] = itself
		} else if a.found[i] == nothing {
			a.found[i] = another
		}
	}
}

// sift sets the rows to insert, those absent and each once, and the rows whose
// coordinates are taken. The usual part, nothing read and nothing repeated, is
// taken as it is, without a copy.
func (a *attempt) sift() {
	a.sifted = true
	if a.found == nil && a.ascends {
		a.insert = a.Rows
		return
	}
	a.insert = make([]Row, 0, len(a.Rows))
	for i, r := range a.Rows {
		last := len(a.insert) - 1
		repeats := last >= 0 && a.insert[last].Offset == r.Offset
		switch {
		case a.found != nil && a.found[i] == itself:
		case a.found != nil && a.found[i] == another, repeats && a.insert[last].ID != r.ID:
			a.collided = append(a.collided, r)
		case !repeats:
			a.insert = append(a.insert, r)
		}
	}
}

// Absent returns the rows of a part that are not visible, and inserts none: for rows that
// cannot be inserted, and may be stored all the same, by an insert of before. What it says
// holds until somebody else fences the partition. After an error the caller asks again;
// an Outcome of Dropped says that the assignment is over, and nothing of the rows.
func (w *Writer) Absent(ctx context.Context, p *Part) ([]Row, error) {
	a := &attempt{Part: p, holding: w.hold(p)}
	round := []*attempt{a}
	if err := errors.Join(w.recover(ctx, round), w.readBack(ctx, round)); err != nil || p.Outcome == Dropped {
		return nil, err
	}
	if len(a.collided) == 0 {
		return a.insert, nil
	}
	next := &Part{Partition: Successor(p.Partition), Assignment: p.Assignment, Rows: a.collided}
	more, err := w.Absent(ctx, next)
	p.Outcome = next.Outcome
	return append(slices.Clone(a.insert), more...), err
}

// divert writes the rows whose coordinates belong to other events under the next
// stream, by the same protocol: a redelivery looks for them there. It comes after
// the insert, so that whoever holds the coordinate is visible by then, and two
// events never swap places between one delivery and the next.
func (w *Writer) divert(ctx context.Context, round []*attempt) error {
	var errs []error
	for _, a := range round {
		if a.Outcome != Written || len(a.collided) == 0 {
			continue
		}
		next := &Part{Partition: Successor(a.claim.Partition), Assignment: a.assignment, Rows: a.collided}
		if w.Collided != nil {
			w.Collided(Collision{From: a.claim.Partition, To: next.Partition, Rows: next.Rows})
		}
		errs = append(errs, w.Write(ctx, []*Part{next}))
		a.Outcome = next.Outcome
	}
	return errors.Join(errs...)
}

// Successor returns where the rows of p go whose offsets were given out twice. It
// is a fixed function: after a restart the same record has to be looked for in the
// same place. The constants are those of the SplitMix64 generator (Steele, Lea and
// Flood, OOPSLA 2014), a bijection, so streams do not merge.
func Successor(p Partition) Partition {
	z := p.Stream + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return Partition{Stream: z ^ z>>31, Number: p.Number}
}

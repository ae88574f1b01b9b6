package exactlyonce

import (
	"context"
	"errors"
	"fmt"
)

// stage is how far a partition has come on the way to being written to. An error
// leaves it where it is, to be tried again from there by the next Write.
type stage int

const (
	// unfenced: no owner id, or one that an unknown outcome has spoilt.
	unfenced stage = iota
	// fenced: the fence names our owner; inserts from before may still be running.
	fenced
	// drained: no other owner's insert is running, and none can start.
	drained
	// owned: absent says what may be inserted unread.
	owned
	// lost: an insert was refused, so somebody else has fenced; ask the group.
	lost
	// over: the group gave the partition away. It does not come back.
	over
)

// holding is what the Writer knows of one partition.
type holding struct {
	assignment Assignment
	claim      Claim
	stage      stage
	// absent is the offsets where nothing is visible, as long as claim is in the
	// fence: by I1 only our own inserts change that, and they are taken out.
	absent spans
}

// hold returns the partition's holding; another assignment than the last one
// starts afresh. Parts of two assignments that alternate are slow but safe.
func (w *Writer) hold(p *Part) *holding {
	h := w.held[p.Partition]
	if h == nil || h.assignment != p.Assignment {
		h = &holding{assignment: p.Assignment, claim: Claim{Partition: p.Partition}}
		if w.held == nil {
			w.held = make(map[Partition]*holding)
		}
		w.held[p.Partition] = h
	}
	return h
}

// recover takes every partition of the round to owned, or as far as it gets. Each
// step serves only the partitions that stand right before it.
func (w *Writer) recover(ctx context.Context, round []*attempt) error {
	return errors.Join(w.confirm(ctx, round), w.fence(ctx, round), w.drain(ctx, round), w.measure(ctx, round))
}

// confirm asks the group whether the partitions that were fenced by somebody else
// are still ours, and settles the parts of those that are not.
func (w *Writer) confirm(ctx context.Context, round []*attempt) error {
	var errs []error
	for _, a := range round {
		if a.stage == lost {
			err := confirm(ctx, a.assignment)
			switch {
			case err == nil:
				a.stage = unfenced
			case errors.Is(err, ErrRevoked):
				a.stage = over
			default:
				errs = append(errs, fmt.Errorf("commit of partition %d: %w", a.claim.Number, err))
			}
		}
		if a.stage == over {
			a.Outcome = Dropped
		}
	}
	return errors.Join(errs...)
}

func confirm(ctx context.Context, a Assignment) error {
	if a == nil {
		return nil
	}
	return a.Confirm(ctx)
}

// fence writes new owner ids. They live in this call until all are acknowledged,
// so none can be sent twice, or be used after a write of unknown outcome.
func (w *Writer) fence(ctx context.Context, round []*attempt) error {
	hs, claims := at(unfenced, round)
	if len(hs) == 0 {
		return nil
	}
	for i := range claims {
		claims[i].Owner = w.draw()
	}
	if err := w.Table.Fence(ctx, claims); err != nil {
		return fmt.Errorf("fence of %d partitions: %w", len(claims), err)
	}
	for i, h := range hs {
		h.claim, h.stage = claims[i], fenced
	}
	return nil
}

func (w *Writer) draw() uint64 {
	for {
		if id := w.Draw(); id != 0 {
			return id
		}
	}
}

func (w *Writer) drain(ctx context.Context, round []*attempt) error {
	hs, claims := at(fenced, round)
	if len(hs) == 0 {
		return nil
	}
	if err := w.Table.Drain(ctx, claims); err != nil {
		return fmt.Errorf("drain of %d partitions: %w", len(claims), err)
	}
	for _, h := range hs {
		h.stage = drained
	}
	return nil
}

// measure finds the highest visible offset: what lies above it is absent, and what
// lies below is read back when it is offered, a batch at a time.
func (w *Writer) measure(ctx context.Context, round []*attempt) error {
	hs, claims := at(drained, round)
	if len(hs) == 0 {
		return nil
	}
	partitions := make([]Partition, len(claims))
	for i, c := range claims {
		partitions[i] = c.Partition
	}
	tops, err := w.Table.Tops(ctx, partitions)
	if err != nil {
		return fmt.Errorf("highest offset of %d partitions: %w", len(claims), err)
	}
	for i, h := range hs {
		h.absent, h.stage = everything(), owned
		if top, ok := tops[partitions[i]]; ok {
			h.absent = above(top)
		}
	}
	return nil
}

// at returns the holdings of the round that are at a stage, and their claims.
func at(s stage, round []*attempt) (hs []*holding, claims []Claim) {
	for _, a := range round {
		if a.stage == s {
			hs, claims = append(hs, a.holding), append(claims, a.claim)
		}
	}
	return hs, claims
}

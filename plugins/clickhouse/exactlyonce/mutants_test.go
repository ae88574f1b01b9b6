package exactlyonce

import (
	"context"
	"errors"
	"testing"
)

// mutants are the protocol with one rule taken out: by a table that does less than
// it says, so that the Writer itself needs no switch.
var mutants = map[string]mutant{
	"no fence":                        {lax: true, table: func(_ *worker, t Table) Table { return noFence{t} }},
	"no drain":                        {table: func(_ *worker, t Table) Table { return noDrain{t} }},
	"highest offset instead of a set": {table: func(w *worker, t Table) Table { return highest{t, w} }},
	"id kept after an unknown outcome": {table: func(_ *worker, t Table) Table {
		return &keptID{Table: t, spoilt: make(map[Partition]uint64), alias: make(map[uint64]uint64)}
	}},
	"fence write resent":     {table: func(_ *worker, t Table) Table { return resent{t} }},
	"no read-back":           {table: func(_ *worker, t Table) Table { return noReadBack{t} }},
	"fence back from disk":   {onDisk: true},
	"cut reads believed":     {believing: true},
	"letters without a look": {hasty: true},
	"commit before insert":   {commitFirst: true},
	"dropped rows committed": {ackDropped: true},
}

// TestMutants shows that every rule is needed, and that the model sees it: each
// mutant breaks an invariant within 20,000 schedules of each seed, and in as many
// loses or repeats a row.
func TestMutants(t *testing.T) {
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			for _, seed := range mutantSeeds {
				for _, harmOnly := range []bool{false, true} {
					m.harmOnly = harmOnly
					n, violated := search(seed, 0, 20_000, m)
					if violated == "" {
						t.Errorf("seed %d: %d schedules without a violation", seed, n)
					}
					t.Logf("seed %d schedule %d: %s", seed, n, violated)
				}
			}
		})
	}
}

// noFence never writes an owner; its server has no constraint either.
type noFence struct{ Table }

func (noFence) Fence(context.Context, []Claim) error { return nil }

type noDrain struct{ Table }

func (noDrain) Drain(context.Context, []Claim) error { return nil }

// highest takes everything up to the highest visible offset for visible.
type highest struct {
	Table
	*worker
}

func (m highest) Read(ctx context.Context, ranges []Range, seen func(Partition, int64, ID)) error {
	for _, r := range ranges {
		tops, err := m.Table.Tops(ctx, []Partition{r.Partition})
		if err != nil {
			return err
		}
		if top, ok := tops[r.Partition]; ok {
			for o := r.First; o <= min(r.Last, top); o++ {
				for _, id := range m.group.topic[r.Number][o].ids() {
					seen(r.Partition, o, id)
				}
			}
		}
	}
	return nil
}

type noReadBack struct{ Table }

func (noReadBack) Tops(context.Context, []Partition) (map[Partition]int64, error) { return nil, nil }

func (noReadBack) Read(context.Context, []Range, func(Partition, int64, ID)) error { return nil }

// resent repeats a fence write until one is acknowledged, as a driver that
// reconnects would.
type resent struct{ Table }

func (m resent) Fence(ctx context.Context, claims []Claim) error {
	for {
		err := m.Table.Fence(ctx, claims)
		if err == nil || errors.Is(err, errDead) {
			return err
		}
	}
}

// keptID goes on under the old id after an insert of unknown outcome: it does not
// write the new one, and puts the old one in its place wherever it is named.
type keptID struct {
	Table
	spoilt map[Partition]uint64 // by an unknown outcome
	alias  map[uint64]uint64    // from the id drawn to the one kept
}

func (m *keptID) Fence(ctx context.Context, claims []Claim) error {
	var others []Claim
	for _, c := range claims {
		if old, ok := m.spoilt[c.Partition]; ok {
			m.alias[c.Owner] = old
		} else {
			others = append(others, c)
		}
	}
	if len(others) == 0 {
		return nil
	}
	return m.Table.Fence(ctx, others)
}

func (m *keptID) Drain(ctx context.Context, claims []Claim) error {
	return m.Table.Drain(ctx, m.old(claims))
}

func (m *keptID) Insert(ctx context.Context, pieces []Piece) error {
	sent := make([]Piece, len(pieces))
	for i, p := range pieces {
		sent[i] = Piece{Claim: m.old([]Claim{p.Claim})[0], Rows: p.Rows}
	}
	err := m.Table.Insert(ctx, sent)
	for _, p := range sent {
		delete(m.spoilt, p.Partition)
		if err != nil && !errors.Is(err, ErrStale) {
			m.spoilt[p.Partition] = p.Owner
		}
	}
	return err
}

func (m *keptID) old(claims []Claim) []Claim {
	kept := append([]Claim(nil), claims...)
	for i, c := range kept {
		if id, ok := m.alias[c.Owner]; ok {
			kept[i].Owner = id
		}
	}
	return kept
}

package clickhouse

import (
	"context"
	"encoding/binary"
	"slices"

	"clickstream/internal/event"
	"clickstream/plugins/clickhouse/exactlyonce"
)

// suspect is a record that cannot be a row, and may be one all the same: it was stored
// before a limit became stricter, a processor failed on it, or the table changed. What is
// stored is no dead letter.
type suspect struct {
	source *event.Source
	row    exactlyonce.Row
	stored bool // or left to whoever has its partition now
}

// suspects are those of one call, until the sender has held them against the table.
type suspects struct {
	all  []*suspect
	err  error // the writer closed before
	done chan struct{}
}

// suspect returns the record of a rejected row as one that may be stored; nil if no row of
// the table can be its own.
func (p *plan) suspect(r *row) *suspect {
	if !p.once || r.at.Source == nil {
		return nil
	}
	s := &suspect{source: r.at.Source, row: exactlyonce.Row{Offset: r.at.Offset}}
	c := idColumn(p)
	if c < 0 {
		return s
	}
	text, ok := event.Lookup(r.doc, p.bindings[c].field)
	id, valid := event.ParseUUID(text)
	if !ok || !valid {
		if p.bindings[c].nullable {
			return s
		}
		return nil
	}
	binary.LittleEndian.PutUint64(s.row.ID[:], binary.BigEndian.Uint64(id[:8]))
	binary.LittleEndian.PutUint64(s.row.ID[8:], binary.BigEndian.Uint64(id[8:]))
	return s
}

// refused finds out whether a row is stored that the server would not take.
func (o *once) refused(ctx context.Context, b *block, row int) (stored bool, err error) {
	at := binary.LittleEndian.Uint64(b.column(fromOffset).data[8*row:])
	s := &suspect{source: b.sources(row, row+1)[0], row: exactlyonce.Row{Offset: int64(at)}}
	if ids := eventIDs(b); ids != nil {
		s.row.ID = exactlyonce.ID(ids[16*row:])
	}
	err = o.find(ctx, []*suspect{s})
	return s.stored, err
}

// find sets which of the suspects are stored. It reads only where something may be: what
// lies above all that was ever inserted is known to be absent.
func (o *once) find(ctx context.Context, all []*suspect) error {
	o.block = nil // the parts of the last one are cut anew
	o.below = map[exactlyonce.Partition]int64{}
	var parts []*exactlyonce.Part
	of := map[*event.Source]*exactlyonce.Part{}
	for i, s := range all {
		p := of[s.source]
		if p == nil {
			p = &exactlyonce.Part{Partition: partitionOf(s.source), Assignment: s.source}
			of[s.source], parts = p, append(parts, p)
		}
		s.row.Index = i
		p.Rows = append(p.Rows, s.row)
	}
	owned := make([]*exactlyonce.Part, len(parts))
	for i, p := range parts {
		o.offer(p.Partition, p.Rows)
		owned[i] = &exactlyonce.Part{Partition: p.Partition, Assignment: p.Assignment}
	}
	// All of them at once: a part without rows only recovers its partition.
	if err := o.writer.Write(ctx, owned); err != nil {
		return err
	}
	for _, p := range parts {
		if err := o.findPart(ctx, p, all); err != nil {
			return err
		}
	}
	return nil
}

func (o *once) findPart(ctx context.Context, p *exactlyonce.Part, all []*suspect) error {
	offered := slices.Clone(p.Rows)
	absent, err := o.writer.Absent(ctx, p)
	if err != nil {
		return err
	}
	type event struct {
		offset int64
		id     exactlyonce.ID
	}
	missing := make(map[event]bool, len(absent))
	for _, r := range absent {
		missing[event{r.Offset, r.ID}] = true
	}
	for _, r := range offered {
		all[r.Index].stored = p.Outcome == exactlyonce.Dropped || !missing[event{r.Offset, r.ID}]
	}
	return nil
}

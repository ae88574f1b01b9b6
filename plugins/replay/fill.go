package replay

import (
	"errors"
	"io"
	"time"
)

// row is the row that comes next.
type row struct {
	pending bool
	before  place
	event   mapped
	wrong   fault
	due     time.Time
}

// fill takes rows that are due, up to a batch of them; nil if there is none.
func (r *replay) fill(now time.Time) *batch {
	var b *batch
	for b == nil || len(b.ends) < batchRows && len(b.slab) < batchBytes {
		if !r.row.pending && !r.read(now) {
			break
		}
		if r.row.due.After(now) {
			break
		}
		r.row.pending = false
		if b == nil {
			b = &batch{slab: make([]byte, 0, batchBytes+r.config.maxRow/8), ends: make([]int, 0, batchRows)}
		}
		b.slab = r.append(b.slab)
		b.ends = append(b.ends, len(b.slab))
		if r.row.wrong.reason != "" {
			r.refuse()
		}
	}
	if b == nil {
		r.deliveries.moved(r.place(), r.beyond)
		r.searched()
		return nil
	}
	b.to, b.ahead = r.place(), r.beyond
	r.progress.rows.Add(int64(len(b.ends)))
	return b
}

// searched lets new marks be made once no row of the topic can come up any more. It is
// called when deliveries stand behind all that were left out: a mark before one of them
// would have the topic's ends behind it.
func (r *replay) searched() {
	if r.known.ids == nil {
		r.searching.Store(false)
	}
}

// place is where the rows begin that are not yet in a batch.
func (r *replay) place() place {
	if r.row.pending {
		return r.row.before
	}
	return r.reader.at
}

// read goes on to the next row that the topic has not. It returns false at the end.
func (r *replay) read(now time.Time) bool {
	for {
		r.row = row{before: r.reader.at}
		if err := r.reader.next(); err != nil {
			r.ended = true
			if !errors.Is(err, io.EOF) {
				r.failure = err
			}
			return false
		}
		if r.row.before.File != r.reader.at.File {
			r.row.before = place{File: r.reader.at.File}
		}
		r.beyond++
		r.look()
		if !r.known.take(r.row.event.event.ID) {
			break
		}
		r.found.Incr(1)
		r.progress.known.Add(1)
	}
	r.row.pending = true
	if r.row.wrong.reason == "" {
		e := &r.row.event.event
		r.progress.time.Store(e.UnixMilli)
		e.UnixMilli, r.row.due = r.pace.at(e.UnixMilli, now)
	}
	return true
}

// look maps the row that the reader is at.
func (r *replay) look() {
	raw, wrong := r.reader.raw, r.reader.wrong
	if r.row.wrong = wrong; wrong.reason == "" {
		r.row.event, r.row.wrong = r.config.mapping.read(r.reader.open)
	}
	if at := r.reader.at.File; r.tagged != at+1 {
		r.tag, r.tagged = tagOf(r.config.run, r.reader.files[at].Name), at+1
	}
	r.row.event.event.ID = r.config.mapping.rowID(r.tag, r.reader.at.Row, raw)
}

// append appends what is sent of the row: its event, or, if it is none, what it was
// and why, in a form that no table takes.
func (r *replay) append(dst []byte) []byte {
	w := &r.row
	if w.wrong.reason == "" {
		return w.event.append(dst)
	}
	return appendRefused(dst, refused{
		id: w.event.event.ID, wrong: w.wrong, raw: r.reader.raw,
		file: r.reader.files[r.reader.at.File].Name, number: r.reader.at.Row,
	})
}

// refuse counts a row that is no event, and says so of the first of each reason.
func (r *replay) refuse() {
	wrong := r.row.wrong
	r.unmapped.Incr(1, wrong.reason)
	if !r.progress.refused(wrong.reason) {
		return
	}
	r.log.With("file", r.reader.files[r.reader.at.File].path, "row", r.reader.at.Row, "column", wrong.column, "reason", wrong.reason, "want", wrong.want).
		Warn("row is no event: it becomes a dead letter; further ones of this reason are only counted")
}

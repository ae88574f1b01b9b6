package clickhouse

import (
	"iter"
	"slices"

	"clickstream/internal/event"
)

// block is rows on their way to the server, held by column. It is not safe for
// concurrent use. Its buffers are kept by reset: in a steady state a row costs no
// allocation.
type block struct {
	plan    *plan
	columns []column
	scanner *event.Scanner
	values  []event.Value // of the documents that are being added
	rows    int
	bytes   int // of all columns, in wire form
	extra   int // fields that no column takes
	runs    []run
	last    int64 // the offset of the last row from Kafka

	own         []int // columns with a value of each row's own
	shared      []int // columns with one value for a whole run, filled in by fill
	sharedWidth int   // of a row in all of them
	fixedWidth  int   // of a row in all columns but texts
	filled      int   // rows that they have
}

// run is rows of one assignment of a partition with ascending offsets: from the row
// first to that of the next run.
type run struct {
	source *event.Source
	first  int
}

func newBlock(p *plan) *block {
	b := &block{plan: p, columns: make([]column, len(p.bindings)), scanner: event.NewScanner(p.fields)}
	for i := range b.columns {
		c := &b.columns[i]
		c.binding = p.bindings[i]
		b.fixedWidth += c.width
		if c.shared() {
			b.shared = append(b.shared, i)
			b.sharedWidth += c.width
		} else {
			b.own = append(b.own, i)
			c.zero = make([]byte, c.width)
		}
	}
	return b
}

// Rows are added a column at a time: so many rows and bytes that documents and values
// stay in the processor's cache meanwhile.
const (
	chunkRows  = 64
	chunkBytes = 32 << 10
)

// append adds rows, or says why one of them cannot be and leaves nothing of them behind.
// The rejection never holds what the message holds. After some rows comes fill.
func (b *block) append(rows []row) *event.Rejection {
	extra, why := b.scan(rows)
	if why != nil {
		return why
	}
	size := len(rows) * b.sharedWidth
	for n, i := range b.own {
		c := &b.columns[i]
		before := len(c.data)
		if c.from == fromField {
			why = c.appendFields(rows, b.values, len(b.plan.fields))
		} else {
			why = c.appendSources(rows)
		}
		if why != nil {
			for _, k := range b.own[:n+1] {
				b.columns[k].truncate(b.rows)
			}
			return why
		}
		size += len(c.data) - before
	}
	for i := range rows {
		b.place(&rows[i].at)
	}
	b.bytes += size
	b.extra += extra
	return nil
}

func noDocument(doc []byte, err error) *event.Rejection {
	if len(doc) == 0 {
		return &event.Rejection{Reason: event.ReasonNoValue, Message: "want a JSON object, got a record without a value"}
	}
	return &event.Rejection{Reason: event.ReasonJSON, Message: err.Error()}
}

// scan reads the rows' documents, and counts their fields that no column takes.
func (b *block) scan(rows []row) (extra int, why *event.Rejection) {
	n := len(b.plan.fields)
	b.values = slices.Grow(b.values[:0], len(rows)*n)[:len(rows)*n]
	for i := range rows {
		if n > 0 {
			if err := b.scanner.ScanInto(rows[i].doc, b.values[i*n:(i+1)*n]); err != nil {
				return 0, noDocument(rows[i].doc, err)
			}
			extra += b.scanner.Extra()
		}
		if rows[i].at.Source == nil && len(b.shared) > 0 {
			return 0, b.columns[b.shared[0]].wantKafka()
		}
	}
	return extra, nil
}

// place counts a row, and notes whose it is.
func (b *block) place(at *event.Coordinate) {
	if at.Source != nil {
		if !b.continues(at) {
			b.runs = append(b.runs, run{at.Source, b.rows})
		}
		b.last = at.Offset
	}
	b.rows++
}

// continues reports whether a record belongs to the last run. Within one batch an
// offset may be missing, but not between two: the batch that has it may come later, and
// runs that overlap would have to be sorted row by row.
func (b *block) continues(at *event.Coordinate) bool {
	if len(b.runs) == 0 || b.runs[len(b.runs)-1].source != at.Source || at.Offset <= b.last {
		return false
	}
	return b.rows > b.filled || at.Offset == b.last+1
}

// fill gives the rows added since the last time what a whole run of them shares.
func (b *block) fill() {
	for _, i := range b.shared {
		c := &b.columns[i]
		for n, r := range b.runs {
			if first, end := b.span(n, b.filled, b.rows); first < end {
				c.repeat(r.source, end-first)
			}
		}
	}
	b.filled = b.rows
}

func (b *block) reset() {
	for i := range b.columns {
		b.columns[i].reset()
	}
	b.rows, b.bytes, b.extra, b.filled = 0, 0, 0, 0
	clear(b.runs)
	b.runs = b.runs[:0]
}

// sources returns whose rows lo to hi are, each once.
func (b *block) sources(lo, hi int) (all []*event.Source) {
	for i, r := range b.runs {
		if first, end := b.span(i, lo, hi); first < end && !slices.Contains(all, r.source) {
			all = append(all, r.source)
		}
	}
	return all
}

// rowsOf yields the rows of a source among lo to hi: first and end of each run.
func (b *block) rowsOf(source *event.Source, lo, hi int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for i, r := range b.runs {
			if r.source != source {
				continue
			}
			if first, end := b.span(i, lo, hi); first < end && !yield(first, end) {
				return
			}
		}
	}
}

// span returns the rows of run i that lie among lo to hi.
func (b *block) span(i, lo, hi int) (first, end int) {
	end = b.rows
	if i+1 < len(b.runs) {
		end = b.runs[i+1].first
	}
	return max(lo, b.runs[i].first), min(hi, end)
}

// column returns the column that a source fills, or nil.
func (b *block) column(from source) *column {
	for i := range b.columns {
		if b.columns[i].from == from {
			return &b.columns[i]
		}
	}
	return nil
}

// pick adds the given rows of another block of the same plan.
func (b *block) pick(from *block, rows []int) {
	for i := range b.columns {
		b.columns[i].pick(&from.columns[i], rows)
	}
	b.rows += len(rows)
	b.filled = b.rows
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retentionMargin is how long before its deletion a row is no longer counted on: the
// engine deletes in its own time, and clocks differ.
const retentionMargin = time.Hour

// floors sets each partition's From: the lowest offset that must be there. It is the
// lowest that the tables hold, or the log's start if that is lower; below it nothing
// tells a deleted record from one that never was. With a cutoff only what is younger
// counts.
func (r *run) floors(ctx context.Context) error {
	cutoff, known, err := r.tables.retention(ctx)
	if err != nil {
		return err
	}
	if !known {
		r.report.note("a table has a TTL that is not of `clickstream init`: what it deleted shows as missing; leave it out with --since")
	}
	if !cutoff.IsZero() {
		cutoff = cutoff.Add(retentionMargin)
	}
	if r.Since.After(cutoff) {
		cutoff = r.Since
	}
	if cutoff.IsZero() {
		return r.floorsSince(ctx, time.UnixMilli(0))
	}
	young, err := r.log.since(ctx, cutoff)
	if err != nil {
		return err
	}
	for i := range r.report.Partitions {
		p := &r.report.Partitions[i]
		p.From = max(p.LogStart, min(young[i], p.To))
		if p.From > p.LogStart {
			r.report.note(fmt.Sprintf("partition %d: offsets %s are older than %s and were not looked for",
				p.Partition, Range{p.LogStart, p.From - 1}, cutoff.UTC().Format(time.DateTime)))
		}
	}
	return r.floorsSince(ctx, cutoff)
}

// floorsSince lowers each From to what the tables hold. Where nothing is older than
// the cutoff the first pass over the chunks tells it for free.
func (r *run) floorsSince(ctx context.Context, cutoff time.Time) error {
	oldest, err := r.tables.oldest(ctx)
	if err != nil {
		return err
	}
	if r.freeFloors = oldest.After(cutoff); r.freeFloors {
		return nil
	}
	lowest, err := r.tables.lowest(ctx, cutoff)
	for i := range r.report.Partitions {
		p := &r.report.Partitions[i]
		if low, ok := lowest[p.Partition]; ok {
			p.From = min(p.From, low)
		}
	}
	return err
}

// hold goes through the chunks of the tables and holds them against what is due.
func (r *run) hold(ctx context.Context) error {
	look := &lookup{topicLog: r.log, until: time.Now().Add(r.LookupTime)}
	counted := make([][]chunk, len(r.report.Partitions))
	err := r.tables.chunks(ctx, r.report.Partitions, func(c chunk) error {
		if int(c.partition) < len(counted) && c.partition >= 0 {
			counted[c.partition] = append(counted[c.partition], c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range r.report.Partitions {
		p := &r.report.Partitions[i]
		if len(counted[i]) > 0 && r.freeFloors {
			p.From = min(p.From, counted[i][0].lowest)
		}
		h := &holder{run: r, Partition: p, look: look}
		if err := h.walk(ctx, counted[i]); err != nil {
			return err
		}
	}
	return nil
}

// holder holds one partition's chunks against its log.
type holder struct {
	*run
	*Partition
	look   *lookup
	tally  tally
	absent Range // the run of absent offsets that may go on
	open   bool
	covered,
	gaps, missing, duplicated, repeated int64
	found map[string]*Finding
}

// maxDetail is how many neighbouring chunks are read row by row at once.
const maxDetail = 16

func (h *holder) walk(ctx context.Context, chunks []chunk) error {
	at := h.From // everything below is held against the log
	for len(chunks) > 0 {
		c := chunks[0]
		n := 1
		if h.clean(c) {
			h.Rows += c.rows
			h.DeadLetters += c.letters
			h.Filtered += c.filtered
			h.covered += c.covered
		} else {
			for n < len(chunks) && n < maxDetail && chunks[n].index == c.index+int64(n) && !h.clean(chunks[n]) {
				n++
			}
		}
		first, end := c.index*chunkSize, min((c.index+int64(n))*chunkSize, h.To)
		if err := h.lacks(ctx, at, min(first, h.To)-1); err != nil {
			return err
		}
		if !h.clean(c) {
			if err := h.detail(ctx, first, end); err != nil {
				return err
			}
		}
		at = max(at, end)
		chunks = chunks[n:]
	}
	if err := h.lacks(ctx, at, h.To-1); err != nil {
		return err
	}
	if err := h.settle(ctx); err != nil {
		return err
	}
	h.finish()
	return nil
}

// clean reports whether the counts alone prove a chunk: each of its offsets that is
// due, and no other, has one row or one letter, or was filtered.
func (h *holder) clean(c chunk) bool {
	first, end := c.index*chunkSize, min((c.index+1)*chunkSize, h.To)
	once := c.rows+c.letters+c.filtered == c.covered && c.moved == 0
	below := end <= h.From // nothing of it is due, but what is there is there once
	return once && (below || first >= h.From && c.covered == end-first || first < h.From && c.covered == end-h.From && c.lowest >= h.From)
}

// detail reads the rows of [first, end) and goes through the offsets.
func (h *holder) detail(ctx context.Context, first, end int64) error {
	h.tally.reset(first, end)
	if err := h.tables.read(ctx, h.Partition.Partition, first, end, h.tally.add); err != nil {
		return err
	}
	for o := first; o < end; o++ {
		c := h.tally.at(o)
		h.Rows += c.rows
		h.DeadLetters += c.letters
		h.Reused += c.reused
		h.repeated += c.repeated
		if c.rows+c.letters == 0 && c.filtered {
			h.Filtered++
			h.covered++
			continue
		}
		if c.rows+c.letters == 0 {
			if o >= h.From {
				if err := h.lacks(ctx, o, o); err != nil {
					return err
				}
			}
			continue
		}
		h.covered++
		if c.surplus > 0 {
			h.duplicated += c.surplus
			h.note(duplicated, Range{o, o})
		}
	}
	return nil
}

// lacks notes absent offsets; neighbours are gathered until settle.
func (h *holder) lacks(ctx context.Context, first, last int64) error {
	if first > last {
		return nil
	}
	if h.open && h.absent.Last+1 == first {
		h.absent.Last = last
		return nil
	}
	if err := h.settle(ctx); err != nil {
		return err
	}
	h.absent, h.open = Range{first, last}, true
	return nil
}

// settle tells what the absent offsets are.
func (h *holder) settle(ctx context.Context) error {
	if !h.open {
		return nil
	}
	h.open = false
	first, last := h.absent.First, h.absent.Last
	if first < h.LogStart {
		deleted := Range{first, min(last, h.LogStart-1)}
		h.gaps += deleted.Count()
		h.note(gap, deleted)
		first = h.LogStart
	}
	for first <= last {
		records, upTo, err := h.look.find(ctx, h.Partition.Partition, first, last)
		switch {
		case errors.Is(err, errNoTime):
			unread := Range{first, last}
			h.missing += unread.Count()
			h.Unread += unread.Count()
			h.note(missing, unread)
			return nil
		case errors.Is(err, errDeleted):
			h.gaps++
			h.note(gap, Range{first, first})
			upTo = first + 1
		case err != nil:
			return err
		default:
			h.missing += int64(len(records))
			h.Holes += upTo - first - int64(len(records))
			for _, o := range records {
				h.note(missing, Range{o, o})
			}
		}
		first = upTo
	}
	return nil
}

// note adds offsets to a finding; neighbours become one range.
func (h *holder) note(k string, at Range) {
	if h.found == nil {
		h.found = map[string]*Finding{}
	}
	f := h.found[k]
	if f == nil {
		f = &Finding{Kind: k, Partition: h.Partition.Partition}
		h.found[k] = f
	}
	f.add(at)
}

// finish writes the sums, and where the faults are.
func (h *holder) finish() {
	h.Missing, h.Gaps, h.Duplicated = h.missing, h.gaps, h.duplicated
	h.Records = h.covered + h.missing + h.gaps
	h.report.repeatedRows += h.repeated
	for _, k := range []string{missing, duplicated, gap} {
		if f := h.found[k]; f != nil {
			f.SQL = h.tables.show(k, *h.Partition)
			h.report.Findings = append(h.report.Findings, *f)
		}
	}
}

package exactlyonce

import (
	"math"
	"slices"
)

// maxSpans bounds a partition's memory to 1 KiB. Offsets that never come (dead
// letters, transaction markers) leave spans behind; those that batches swapped on
// the way leave behind are filled within moments, so the lowest are let go.
const maxSpans = 64

// span is the offsets first to last, both included.
type span struct{ first, last int64 }

// spans is a set of offsets: ascending, disjoint, the last one without end.
// Leaving an offset out is always safe: it only costs a read.
type spans []span

func everything() spans { return spans{{0, math.MaxInt64}} }

func above(offset int64) spans { return spans{{offset + 1, math.MaxInt64}} }

// has looks from the end, where new offsets are.
func (s spans) has(offset int64) bool {
	for i := len(s) - 1; i >= 0 && offset <= s[i].last; i-- {
		if s[i].first <= offset {
			return true
		}
	}
	return false
}

// hasFrom reports whether offset and all above it are in the set: the usual case.
func (s spans) hasFrom(offset int64) bool {
	return len(s) > 0 && s[len(s)-1].first <= offset
}

// without takes the offsets of rows out, a run of neighbours at a time.
func (s spans) without(rows []Row) spans {
	for i := 0; i < len(rows); {
		end := i + 1
		for end < len(rows) && rows[end].Offset == rows[end-1].Offset+1 {
			end++
		}
		s = s.cut(span{rows[i].Offset, rows[end-1].Offset})
		i = end
	}
	return s
}

func (s spans) cut(out span) spans {
	end := len(s)
	for end > 0 && s[end-1].first > out.last {
		end--
	}
	begin := end
	for begin > 0 && s[begin-1].last >= out.first {
		begin--
	}
	if begin == end {
		return s
	}
	var kept [2]span
	n := 0
	if low := s[begin]; low.first < out.first {
		kept[n], n = span{low.first, out.first - 1}, n+1
	}
	if high := s[end-1]; high.last > out.last {
		kept[n], n = span{out.last + 1, high.last}, n+1
	}
	s = slices.Replace(s, begin, end, kept[:n]...)
	return slices.Delete(s, 0, max(0, len(s)-maxSpans))
}

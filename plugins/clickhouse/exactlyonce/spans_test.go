package exactlyonce

import (
	"math/rand/v2"
	"testing"
)

// FuzzSpans holds spans against a plain set: what they say is absent is, and as
// long as no span is let go, nothing else is.
func FuzzSpans(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, uint8(seed*5))
	}
	f.Fuzz(func(t *testing.T, seed uint64, batches uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		s, taken := everything(), make(map[int64]bool)
		letGo := false
		for range batches % 64 {
			var rows []Row
			for o := r.Int64N(500); len(rows) < 1+r.IntN(9); o += 1 + r.Int64N(2) {
				rows = append(rows, Row{Offset: o})
				taken[o] = true
			}
			letGo = letGo || len(s)+len(rows) > maxSpans
			s = s.without(rows)
			check(t, s)
			if top := s[len(s)-1].first; !s.hasFrom(top) || s.hasFrom(top-1) {
				t.Fatalf("has all from %d: want exactly from there", top)
			}
			for o := range int64(600) {
				if has := s.has(o); has && taken[o] || !has && !taken[o] && !letGo {
					t.Fatalf("offset %d absent: got %v, want %v", o, has, !taken[o])
				}
			}
		}
	})
}

// check finds spans that are empty, out of order, or too many.
func check(t *testing.T, s spans) {
	t.Helper()
	if len(s) > maxSpans {
		t.Fatalf("spans: got %d, want at most %d", len(s), maxSpans)
	}
	for i, sp := range s {
		if sp.first > sp.last || i > 0 && s[i-1].last >= sp.first {
			t.Fatalf("spans out of order: %v", s)
		}
	}
}

func TestSpansKeepTheNewest(t *testing.T) {
	s := above(9)
	for o := int64(11); o < 1011; o += 2 { // every other one is a dead letter
		s = s.without([]Row{{Offset: o}})
	}
	if len(s) != maxSpans || s.has(10) || !s.has(1008) || !s.has(1010) || s.has(1009) || !s.has(2000) {
		t.Errorf("got %d spans: %v", len(s), s)
	}
}

package verify

// tally counts the rows of a span of offsets, by kind: at most 16 chunks, 4 MiB a kind.
type tally struct {
	first  int64
	counts [dropped + 1][]uint32 // nil: no row of that kind
	size   int64
}

// offsetCount is what one offset has.
type offsetCount struct {
	rows, letters int64
	filtered      bool
	// surplus is what is there beyond one row or one letter; repeated is the part of it
	// that are rows; reused counts rows of other records that had this offset before.
	surplus, repeated, reused int64
}

func (t *tally) reset(first, end int64) {
	t.first, t.size = first, end-first
	for k := range t.counts {
		clear(t.counts[k])
	}
}

func (t *tally) add(offset int64, k kind) {
	if t.counts[k] == nil {
		t.counts[k] = make([]uint32, maxDetail*chunkSize)
	}
	if i := offset - t.first; i >= 0 && i < t.size {
		t.counts[k][i]++
	}
}

func (t *tally) at(offset int64) (c offsetCount) {
	i := offset - t.first
	var streams int64
	for k, counts := range t.counts {
		if counts == nil || counts[i] == 0 {
			continue
		}
		n := int64(counts[i])
		if kind(k) == dropped {
			c.filtered = true
			continue
		}
		if kind(k) == letter {
			c.letters = n
			continue
		}
		c.rows += n
		c.repeated += n - 1
		streams++
	}
	c.reused = max(0, streams-1)
	c.surplus = c.repeated
	if c.letters > 0 {
		c.surplus += c.letters - 1
		if c.rows > 0 {
			c.surplus++
		}
	}
	return c
}

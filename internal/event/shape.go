package event

// shape is what the documents of one producer have in common: their names in their
// order, and all the punctuation. A document of a known shape needs no look at either
// beyond a comparison, only at its values.
type shape struct {
	fixed []byte // the bytes before each value one after the other, then those after the last
	steps []step
	extra int
	known bool
	// misses counts the documents of other shapes since the last one of this.
	misses int
}

// step is one value of a shape.
type step struct {
	end  int  // of what comes before the value, in fixed
	slot int  // of the name, -1 if nobody asks for it
	text bool // the bytes before it end with its opening quote
}

// forget is how many documents of other shapes it takes to learn another: a topic of
// two producers keeps one of theirs.
const forget = 8

// match reads a document of the shape, and returns false if it is none: then nothing
// is said about it, and the values are meaningless.
func (h *shape) match(doc []byte, values []Value) bool {
	i, from := 0, 0
	for n := range h.steps {
		s := &h.steps[n]
		fixed := h.fixed[from:s.end]
		if len(doc)-i < len(fixed) || string(doc[i:i+len(fixed)]) != string(fixed) {
			return false
		}
		i += len(fixed)
		from = s.end
		v := Value{Kind: String, Start: i}
		if s.text {
			i = skipPlain(doc, i)
			if i >= len(doc) || doc[i] != '"' {
				return false
			}
			v.End = i
		} else {
			t, next, f := scanValue(doc, i, 1)
			if f.code != errNone || t.kind == String || t.kind == Escaped {
				return false
			}
			v.Kind, v.End, i = t.kind, t.end, next
		}
		if s.slot >= 0 {
			values[s.slot] = v
		}
	}
	return string(doc[i:]) == string(h.fixed[from:])
}

// learn takes the shape of a document that was scanned without a fault.
func (s *Scanner) learn(doc []byte) {
	h := &s.shape
	*h = shape{fixed: h.fixed[:0], steps: h.steps[:0]}
	from := 0
	i := skipSpace(doc, skipSpace(doc, 0)+1)
	for last := doc[i] == '}'; !last; {
		key, next, _ := scanName(doc, i)
		slot, asked := s.index[string(doc[key.start:key.end])]
		if key.kind == Escaped {
			return
		}
		if !asked {
			slot = -1
			h.extra++
		}
		val, end, _ := scanValue(doc, next, 1)
		h.fixed = append(h.fixed, doc[from:val.start]...)
		h.steps = append(h.steps, step{len(h.fixed), slot, val.kind == String || val.kind == Escaped})
		from = end
		if h.steps[len(h.steps)-1].text {
			from = val.end // the closing quote belongs to what follows
		}
		i, last, _ = scanSeparator(doc, end, '}')
	}
	h.fixed = append(h.fixed, doc[from:]...)
	h.known = true
}

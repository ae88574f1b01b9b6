package clickhouse

// rowRange is the rows lo to hi of a block, or messages of a batch, without hi.
type rowRange struct{ lo, hi int }

func (r rowRange) len() int { return r.hi - r.lo }

// ranges are the rows of a block that have no outcome yet, cut as they are to be
// inserted. They are settled from the first to the last, so that those that are
// settled are always the first rows of the block.
type ranges struct {
	stack []rowRange // the first rows on top
	most  int        // rows of one insert
}

func newRanges(rows, most int) *ranges {
	return &ranges{stack: []rowRange{{0, rows}}, most: most}
}

func (r *ranges) left() bool { return len(r.stack) > 0 }

// first returns the rows to insert next, at most r.most of them.
func (r *ranges) first() rowRange {
	if top := r.stack[len(r.stack)-1]; top.len() > r.most {
		r.cut(top.lo + r.most)
	}
	return r.stack[len(r.stack)-1]
}

// halve cuts the first rows in two.
func (r *ranges) halve() {
	top := r.stack[len(r.stack)-1]
	r.cut(top.lo + top.len()/2)
}

func (r *ranges) cut(at int) {
	top := &r.stack[len(r.stack)-1]
	front := rowRange{top.lo, at}
	top.lo = at
	r.stack = append(r.stack, front)
}

// settle drops the first rows, which have their outcome; it returns how many rows of
// the block have one now. most is how many the next insert may hold.
func (r *ranges) settle(most int) int {
	r.most = most
	top := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	return top.hi
}

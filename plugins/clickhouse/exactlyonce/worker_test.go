package exactlyonce

import (
	"context"
	"errors"
	"iter"
	"slices"
)

var (
	errTimeout = errors.New("no answer in time")
	errDead    = errors.New("process is dead")
)

// worker is one process of a consumer: it polls, writes and commits as the kafka
// input and the clickhouse output together do. It runs as a coroutine, which gives
// way whenever it waits.
type worker struct {
	*world
	name       string
	writer     *Writer
	generation int
	tokens     [partitions]*token
	strict     bool
	pending    []*Part
	refused    []*Part // rows that may be letters

	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	call   uint64 // the request that it waits for; others' answers are stray
	answer error
	stuck  int64 // stopped until then: neither answers nor views get through
	dead   bool

	commits, heard int // commits sent, and the last one that has arrived
}

// token is one assignment of a partition to this worker.
type token struct {
	*worker
	p     int
	topic uint64           // the one it was given a partition of
	next  int64            // the next offset to poll
	safe  int64            // every record below is visible or a dead letter
	taken [maxRecords]bool // of those at or above safe: read
	due   [maxRecords]uint // their rows, a bit each
	done  [maxRecords]uint // those that are visible or letters
	begun bool             // something to commit
	over  bool             // revoked: nothing is committed any more
}

func (w *worker) start() {
	w.next, w.stop = iter.Pull(func(yield func(struct{}) bool) {
		w.yield = yield
		w.run()
	})
	w.after(w.delay(), func() { w.next() })
}

func (w *worker) run() {
	for !w.dead {
		w.poll()
		if w.judge(); w.dead {
			return
		}
		if len(w.pending) == 0 {
			w.commitAll() // dead letters alone need no write
			w.sleep(10)
			continue
		}
		if w.commitFirst {
			w.markWritten(w.pending)
			w.commitAll()
		}
		err := w.writer.Write(context.Background(), w.pending)
		w.logf("%s: write: %v", w.name, err)
		if w.dead {
			return
		}
		w.settle()
		w.commitAll()
		if err != nil {
			w.sleep(3)
		}
	}
}

// poll takes up to four new records of each partition, in one part or two, in any
// order; now and then those that are not committed come a second time.
func (w *worker) poll() {
	for _, t := range w.tokens {
		if t == nil || t.over {
			continue
		}
		if w.chance(2) {
			t.next = t.safe
		}
		from, to := t.next, min(w.group.end(), t.next+1+w.rnd.Int64N(4))
		if from >= to || len(w.pending) > 6 {
			continue
		}
		t.next = to
		w.take(t, from, to)
	}
	if w.chance(20) {
		w.rnd.Shuffle(len(w.pending), func(i, j int) { w.pending[i], w.pending[j] = w.pending[j], w.pending[i] })
	}
}

func (w *worker) take(t *token, from, to int64) {
	part := &Part{Partition: Partition{stream, int32(t.p)}, Assignment: t}
	refused := &Part{Partition: part.Partition, Assignment: t}
	for o := from; o < to; o++ {
		r := w.group.topic[t.p][o]
		if r.bad {
			t.expect(o)
			continue
		}
		t.expect(o, r.ids()...)
		into := part
		if w.strict && r.dear {
			into = refused
		}
		for _, id := range r.ids() {
			into.Rows = append(into.Rows, Row{Offset: o, ID: id, Index: int(o)})
		}
	}
	if len(refused.Rows) > 0 {
		w.refused = append(w.refused, refused)
	}
	if len(part.Rows) == 0 {
		return
	}
	for _, p := range w.pending {
		if p.Assignment == part.Assignment && w.chance(20) { // group commit
			p.Rows = append(p.Rows, part.Rows...)
			w.rnd.Shuffle(len(p.Rows), func(i, j int) { p.Rows[i], p.Rows[j] = p.Rows[j], p.Rows[i] })
			return
		}
	}
	w.pending = append(w.pending, part)
	w.cut(len(w.pending) - 1)
}

// cut splits a pending part in two, sometimes: an output that meets a memory limit
// offers less the next time.
func (w *worker) cut(i int) {
	if part := w.pending[i]; len(part.Rows) > 1 && w.chance(25) {
		n := 1 + w.rnd.IntN(len(part.Rows)-1)
		rest := *part
		part.Rows, rest.Rows = slices.Clone(part.Rows[:n]), slices.Clone(part.Rows[n:])
		w.pending = append(w.pending, &rest)
	}
}

func (w *worker) settle() {
	w.markWritten(w.pending)
	w.pending = slices.DeleteFunc(w.pending, func(p *Part) bool { return p.Outcome != Pending })
	for i := range w.pending {
		w.cut(i)
	}
}

func (w *worker) markWritten(parts []*Part) {
	for _, p := range parts {
		if p.Outcome == Written || w.commitFirst || w.ackDropped && p.Outcome == Dropped {
			p.Assignment.(*token).mark(p.Rows)
		}
	}
}

// judge holds what is refused against the table: what is stored is none of the dead
// letters.
func (w *worker) judge() {
	for len(w.refused) > 0 {
		p := w.refused[0]
		absent, err := p.Rows, error(nil)
		if !w.hasty {
			absent, err = w.writer.Absent(context.Background(), p)
		}
		if err != nil || w.dead {
			return
		}
		w.refused = w.refused[1:]
		if p.Outcome == Dropped {
			continue
		}
		for _, r := range absent {
			w.logf("%s: letter of partition %d offset %d", w.name, p.Number, r.Offset)
			w.letters[r.ID] = true
		}
		p.Assignment.(*token).mark(p.Rows)
	}
}

// expect notes which rows a record is that was read.
func (t *token) expect(offset int64, ids ...ID) {
	t.taken[offset] = true
	for _, id := range ids {
		t.due[offset] |= bit(id)
	}
	t.advance()
}

func (t *token) mark(rows []Row) {
	for _, r := range rows {
		t.done[r.Offset] |= bit(r.ID)
	}
	t.advance()
}

// bit tells a record's rows apart.
func bit(id ID) uint { return 1 << id[0] }

func (t *token) advance() {
	t.begun = true
	for t.safe < maxRecords && t.taken[t.safe] && t.due[t.safe] == t.done[t.safe] {
		t.safe++
	}
}

func (w *worker) commitAll() {
	for _, t := range w.tokens {
		if t != nil && !t.over && t.begun && w.commit(t) == nil {
			t.begun = false
		}
	}
}

func (w *worker) commit(t *token) error {
	p, generation, offset := t.p, w.generation, t.safe
	w.commits++
	order := w.commits
	return w.ask(func(reply func(error)) {
		if order > w.heard { // a connection may lose what was sent, but keeps its order
			w.heard = order
			w.group.serveCommit(p, generation, offset, reply)
		}
	})
}

// Confirm is the contract of Assignment, as the kafka input has to keep it: a
// refusal closes the assignment for good, unless the member has come to a later
// generation in the meantime, with the partition still its own.
func (t *token) Confirm(context.Context) error {
	if t.over {
		return ErrRevoked
	}
	generation := t.generation
	err := t.commit(t)
	if errors.Is(err, errGeneration) && generation == t.generation {
		t.logf("%s: partition %d is over", t.name, t.p)
		t.over = !t.ackDropped
		return ErrRevoked
	}
	return err
}

// learn takes in a generation; in a real client that happens on its own thread, so
// it may fall into the middle of anything the worker does.
func (w *worker) learn(v view) {
	if w.now < w.stuck {
		w.after(w.stuck-w.now, func() { w.learn(v) })
		return
	}
	if w.dead || v.generation <= w.generation {
		return
	}
	w.generation = v.generation
	for p, t := range w.tokens {
		if t != nil && (v.fresh || !v.owned[p] || t.topic != w.group.topics) {
			t.over = true
		}
		if v.owned[p] && (t == nil || t.over) {
			at := w.group.committed[p]
			w.tokens[p] = &token{worker: w, p: p, topic: w.group.topics, next: at, safe: at, begun: true}
		}
	}
}

// ask sends a request and waits for the answer, or for the time limit; the request
// may be on its way for much longer than that.
func (w *worker) ask(serve func(reply func(error))) error {
	if w.dead {
		return errDead
	}
	w.call++
	call := w.call
	w.send(func() {
		serve(func(err error) {
			w.send(func() { w.resume(call, err) })
		})
	})
	w.after(callTicks, func() { w.resume(call, errTimeout) })
	return w.wait()
}

func (w *worker) sleep(ticks int64) {
	w.call++
	call := w.call
	w.after(1+w.rnd.Int64N(ticks), func() { w.resume(call, nil) })
	w.wait()
}

func (w *worker) wait() error {
	if !w.yield(struct{}{}) {
		w.dead = true
		return errDead
	}
	return w.answer
}

// resume lets the worker go on with an answer, if it still waits for that one, and
// if nobody stops the process just then.
func (w *worker) resume(call uint64, err error) {
	if w.dead || call != w.call {
		return
	}
	w.call++
	if w.chance(w.pause) {
		w.stuck = w.now + w.rnd.Int64N(w.slowTicks)
	}
	w.answer = err
	w.after(max(0, w.stuck-w.now), func() {
		if !w.dead {
			w.next()
		}
	})
}

// crash is kill -9: what it has sent is on its way, nothing else of it is left.
func (w *worker) crash() {
	w.logf("%s: crash", w.name)
	w.dead = true
	w.stop()
}

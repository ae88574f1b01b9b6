package kafka

import "sync"

// span is a run of consecutive records that travels as one batch. Its fields
// belong to the offsets that handed it out.
type span struct {
	next    int64 // the offset after its last record
	epoch   int32 // leader epoch of its last record
	born    int64 // timestamp of its first record, unix ms
	records int
	state   spanState
	attempt int // counts deliveries, so that a stale answer is told from a fresh one
}

type spanState uint8

const (
	spanQueued    spanState = iota // waits to be delivered, for the first time or again
	spanDelivered                  // the pipeline has it
	spanDone                       // stored, or dead-lettered: never needed again
)

// position is what a commit says: the next offset to read and the leader epoch
// of the record before it.
type position struct {
	offset int64
	epoch  int32
}

// offsets knows which records of one assigned partition are done, and with that
// the only offset that may be committed: the one before which everything is
// done. It is pure: no clock, no network. Once closed, at the partition's
// revocation, no answer moves the position any more; a partition that comes back
// gets new offsets. Its methods may be called from any goroutine.
type offsets struct {
	mu        sync.Mutex
	spans     []*span // in the order of the log; from head on
	head      int
	pos       position
	committed int64
	first     int64 // the first record that was read; -1 if none was
	delivered int   // spans that the pipeline has
	draining  bool
	closed    bool
	idle      chan struct{} // made by Drain, closed once nothing is delivered
}

// newOffsets starts at the offset the group had committed, or at -1 if it has
// committed none yet.
func newOffsets(start int64) *offsets {
	return &offsets{pos: position{offset: start, epoch: -1}, committed: start, first: -1}
}

// Add takes in the records from offset first on that end before offset next. Spans must be added in
// the order of the log. (A log that a broker truncated may start over at a lower
// offset: the position follows it.)
func (o *offsets) Add(first, next int64, epoch int32, records int, born int64) *span {
	s := &span{next: next, epoch: epoch, records: records, born: born}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spans = append(o.spans, s)
	if o.first < 0 {
		o.first = first
	}
	return s
}

// Skip takes in offsets that hold nothing to deliver.
func (o *offsets) Skip(first, next int64, epoch int32) {
	s := o.Add(first, next, epoch, 0, 0)
	o.mu.Lock()
	defer o.mu.Unlock()
	s.state = spanDone
	if !o.closed {
		o.advance()
	}
}

// Deliver says that the pipeline is about to get s. It returns the number of the
// attempt, which Ack and Nack want back, and false if s must be dropped instead.
func (o *offsets) Deliver(s *span) (attempt int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.draining || o.closed || s.state != spanQueued {
		return 0, false
	}
	s.state = spanDelivered
	s.attempt++
	o.delivered++
	return s.attempt, true
}

// Ack says that attempt number attempt at s succeeded. It returns false, and
// changes nothing, if that attempt had its answer already.
func (o *offsets) Ack(s *span, attempt int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.state != spanDelivered || s.attempt != attempt {
		return false
	}
	s.state = spanDone
	o.settled()
	if !o.closed {
		o.advance()
	}
	return true
}

// nackResult is what becomes of a span whose delivery failed.
type nackResult uint8

const (
	nackStale   nackResult = iota // that attempt had its answer already
	nackAgain                     // deliver it again
	nackDropped                   // the partition is being given up: the next owner reads it
)

// Nack says that attempt number attempt at s failed.
func (o *offsets) Nack(s *span, attempt int) nackResult {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.state != spanDelivered || s.attempt != attempt {
		return nackStale
	}
	s.state = spanQueued
	o.settled()
	if o.draining || o.closed {
		return nackDropped
	}
	return nackAgain
}

// settled counts a span that left the pipeline; the lock is held.
func (o *offsets) settled() {
	o.delivered--
	if o.delivered == 0 && o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
}

// advance moves the position over what is done; the lock is held.
func (o *offsets) advance() {
	for o.head < len(o.spans) && o.spans[o.head].state == spanDone {
		s := o.spans[o.head]
		o.pos = position{offset: s.next, epoch: s.epoch}
		o.spans[o.head] = nil
		o.head++
	}
	if o.head > len(o.spans)/2 {
		o.spans = append(o.spans[:0], o.spans[o.head:]...)
		clear(o.spans[len(o.spans):cap(o.spans)])
		o.head = 0
	}
}

// Position returns what may be committed, and false if that is committed already.
func (o *offsets) Position() (position, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pos, !o.closed && o.pos.offset != o.committed
}

// Standing returns what a commit would say whether it moved or not. Where the group has
// committed nothing yet that is the first record read, and false if none was.
func (o *offsets) Standing() (position, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.pos
	if at.offset < 0 {
		at.offset = o.first
	}
	return at, at.offset >= 0
}

// Committed says that the broker took a commit of offset.
func (o *offsets) Committed(offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.committed = offset
}

// Drain lets nothing more into the pipeline and returns a channel that is closed
// once the pipeline has given back everything it had.
func (o *offsets) Drain() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.draining = true
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	if o.delivered == 0 {
		close(o.idle)
		o.idle = nil
	}
	return idle
}

// Close ends the assignment: whatever comes later changes nothing.
func (o *offsets) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// Closed reports whether the assignment has ended.
func (o *offsets) Closed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// Refuses reports whether Deliver would say no to everything.
func (o *offsets) Refuses() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.draining || o.closed
}

// Oldest returns the timestamp, in unix ms, of the oldest record that was read and
// is not done, and false if there is none.
func (o *offsets) Oldest() (int64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.head == len(o.spans) {
		return 0, false
	}
	return o.spans[o.head].born, true
}

// Unanswered counts the records that the pipeline has and gave no answer for.
func (o *offsets) Unanswered() (spans, records int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.spans[o.head:] {
		if s.state == spanDelivered {
			spans++
			records += s.records
		}
	}
	return spans, records
}

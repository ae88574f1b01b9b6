package kafka

import (
	"testing"
)

// FuzzOffsets runs any sequence of calls against a model that keeps it simple: the
// position is the end of the longest done prefix, and a closed one never moves.
func FuzzOffsets(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 1, 2, 10, 18, 5})
	f.Add([]byte{0, 0, 1, 1, 3, 11, 1, 2, 10, 4, 2})
	f.Add([]byte{0, 1, 5, 2, 0, 1, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		m := offsetsModel{o: newOffsets(7), pos: 7}
		for _, step := range script {
			m.step(t, step)
			if t.Failed() {
				return
			}
		}
	})
}

type modelSpan struct {
	span    *span
	attempt int
	state   spanState
}

type offsetsModel struct {
	o        *offsets
	spans    []modelSpan
	next     int64
	pos      int64
	draining bool
	closed   bool
	idle     <-chan struct{}
}

// step does one call: the low three bits say which, the rest on which span.
func (m *offsetsModel) step(t *testing.T, b byte) {
	t.Helper()
	var s *modelSpan
	if i := int(b >> 3); i < len(m.spans) {
		s = &m.spans[i]
	}
	switch op := b & 7; {
	case op == 0:
		m.next = max(m.next, 7) + 1 + int64(b>>3)
		m.spans = append(m.spans, modelSpan{span: m.o.Add(m.next-1, m.next, 0, 1, 0)})
	case op == 1 && s != nil:
		m.deliver(t, s)
	case op == 2 && s != nil:
		m.ack(t, s, s.attempt)
	case op == 3 && s != nil:
		m.nack(t, s)
	case op == 4 && s != nil: // the answer to an earlier attempt
		m.ack(t, s, s.attempt-1)
	case op == 5:
		m.idle, m.draining = m.o.Drain(), true
	case op == 6:
		m.o.Close()
		m.closed = true
	}
	m.check(t)
}

func (m *offsetsModel) deliver(t *testing.T, s *modelSpan) {
	t.Helper()
	attempt, ok := m.o.Deliver(s.span)
	if want := s.state == spanQueued && !m.draining && !m.closed; ok != want {
		t.Errorf("Deliver\n got %v\nwant %v", ok, want)
	}
	if ok {
		s.state, s.attempt = spanDelivered, attempt
	}
}

func (m *offsetsModel) ack(t *testing.T, s *modelSpan, attempt int) {
	t.Helper()
	got := m.o.Ack(s.span, attempt)
	if want := s.state == spanDelivered && attempt == s.attempt; got != want {
		t.Errorf("Ack\n got %v\nwant %v", got, want)
	}
	if got {
		s.state = spanDone
	}
	for i := 0; !m.closed && i < len(m.spans) && m.spans[i].state == spanDone; i++ {
		m.pos = m.spans[i].span.next
	}
}

func (m *offsetsModel) nack(t *testing.T, s *modelSpan) {
	t.Helper()
	want := nackStale
	switch {
	case s.state != spanDelivered:
	case m.draining || m.closed:
		want = nackDropped
	default:
		want = nackAgain
	}
	if got := m.o.Nack(s.span, s.attempt); got != want {
		t.Errorf("Nack\n got %v\nwant %v", got, want)
	}
	if s.state == spanDelivered {
		s.state = spanQueued
	}
}

func (m *offsetsModel) check(t *testing.T) {
	t.Helper()
	if got, _ := m.o.Position(); got.offset != m.pos {
		t.Errorf("position\n got %d\nwant %d", got.offset, m.pos)
	}
	delivered := 0
	for _, s := range m.spans {
		if s.state == spanDelivered {
			delivered++
		}
	}
	if got, _ := m.o.Unanswered(); got != delivered {
		t.Errorf("unanswered\n got %d\nwant %d", got, delivered)
	}
	if m.idle == nil {
		return
	}
	select {
	case <-m.idle:
		if delivered > 0 {
			t.Errorf("idle with %d spans in the pipeline", delivered)
		}
	default:
		if delivered == 0 {
			t.Error("not idle, and nothing is in the pipeline")
		}
	}
}

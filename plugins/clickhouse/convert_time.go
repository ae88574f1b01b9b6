package clickhouse

import (
	"fmt"
	"math"

	"clickstream/internal/event"
)

// What the server's extended types take: 1900-01-01 to 2299-12-31.
const (
	firstDay    = -25567
	lastDay     = 120529
	firstSecond = firstDay * 86400
	lastSecond  = (lastDay+1)*86400 - 1
)

// date is Date or Date32: days since 1970-01-01.
type date struct {
	name     string
	width    int
	min, max int64
	text     string // of the limits
	from, to int64
	limited  bool
}

func (n *date) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.String {
		return dst, wrongType("a date", c.kind)
	}
	days, ok := event.ParseDate(c.text)
	if !ok {
		return dst, &event.Rejection{Reason: event.ReasonTime, Message: "want a date like 2026-01-15"}
	}
	if days < n.min || days > n.max {
		return dst, outOfRange("a date that fits in " + n.name)
	}
	if n.limited && (days < n.from || days > n.to) {
		return dst, outOfRange("a date " + n.text)
	}
	return appendInt(dst, n.width, uint64(days)), nil
}

func (n *date) bound(min, max string) error {
	n.limited, n.from, n.to, n.text = true, math.MinInt64, math.MaxInt64, span(min, max)
	ok := true
	if min != "" {
		n.from, ok = event.ParseDate([]byte(min))
	}
	if ok && max != "" {
		n.to, ok = event.ParseDate([]byte(max))
	}
	if !ok {
		return fmt.Errorf("want dates like 2026-01-15, got %q and %q", min, max)
	}
	return nil
}

// moment is DateTime or DateTime64: ticks since 1970, in UTC whatever the column's
// zone, which is for display. What is finer than a tick is cut off.
type moment struct {
	name     string
	width    int
	ticks    int64 // a second
	nanos    int64 // a tick
	min, max int64 // seconds
	text     string
	from, to event.Instant
	limited  bool
	calendar event.Calendar
}

func newMoment(name string, width, scale int) *moment {
	m := &moment{name: name, width: width, ticks: 1, nanos: 1_000_000_000, min: 0, max: math.MaxUint32}
	if width == 8 {
		m.min, m.max = firstSecond, lastSecond
	}
	for range scale {
		m.ticks *= 10
		m.nanos /= 10
	}
	if most := math.MaxInt64/m.ticks - 1; m.max > most { // nanoseconds end in 2262
		m.max = most
	}
	return m
}

func (m *moment) append(dst []byte, c cell) ([]byte, *event.Rejection) {
	if c.kind != event.String {
		return dst, wrongType("a time like 2026-01-15T14:30:00.123Z", c.kind)
	}
	t, ok := m.calendar.ParseTime(c.text)
	if !ok {
		return dst, &event.Rejection{Reason: event.ReasonTime, Message: "want a time like 2026-01-15T14:30:00.123Z, with a zone"}
	}
	if t.Seconds < m.min || t.Seconds > m.max {
		return dst, outOfRange("a time that fits in " + m.name)
	}
	if m.limited && (before(t, m.from) || before(m.to, t)) {
		return dst, outOfRange("a time " + m.text)
	}
	return m.appendTicks(dst, t), nil
}

// appendMoment stores a record's time; one that the type cannot hold becomes the
// nearest that it can, since the broker's clock is no fault of the event.
func (m *moment) appendMoment(dst []byte, t event.Instant) []byte {
	switch {
	case t.Seconds < m.min:
		t = event.Instant{Seconds: m.min}
	case t.Seconds > m.max:
		t = event.Instant{Seconds: m.max}
	}
	return m.appendTicks(dst, t)
}

func (m *moment) appendTicks(dst []byte, t event.Instant) []byte {
	return appendInt(dst, m.width, uint64(t.Seconds*m.ticks+int64(t.Nanos)/m.nanos))
}

func (m *moment) bound(min, max string) error {
	m.limited, m.text = true, span(min, max)
	m.from, m.to = event.Instant{Seconds: math.MinInt64}, event.Instant{Seconds: math.MaxInt64}
	ok := true
	if min != "" {
		m.from, ok = event.ParseTime([]byte(min))
	}
	if ok && max != "" {
		m.to, ok = event.ParseTime([]byte(max))
	}
	if !ok {
		return fmt.Errorf("want times like 2026-01-15T14:30:00Z, got %q and %q", min, max)
	}
	return nil
}

func before(a, b event.Instant) bool {
	return a.Seconds < b.Seconds || a.Seconds == b.Seconds && a.Nanos < b.Nanos
}

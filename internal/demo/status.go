package demo

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/shopspring/decimal"
)

// rateSpan is the time over which events a second are averaged: the consumer
// stores twice a second, so single seconds would jump.
const rateSpan = 5 * time.Second

// counters are two numbers that only grow, at one moment.
type counters struct {
	at               time.Time
	produced, stored int64
}

// rates holds the counters of the last few seconds, oldest first.
type rates struct{ seen []counters }

// add takes the newest counters and returns events a second over rateSpan, or
// ok false while there is nothing to compare them with.
func (r *rates) add(c counters) (produced, stored float64, ok bool) {
	r.seen = append(r.seen, c)
	for len(r.seen) > 2 && c.at.Sub(r.seen[1].at) >= rateSpan {
		r.seen = r.seen[1:]
	}
	first := r.seen[0]
	span := c.at.Sub(first.at).Seconds()
	if span <= 0 {
		return 0, 0, false
	}
	return float64(c.produced-first.produced) / span, float64(c.stored-first.stored) / span, true
}

// recent is what the table says about the last five minutes.
type recent struct {
	views, carts, removals, purchases uint64
	revenue                           decimal.Decimal
	// freshness is the 99th percentile, over the last minute, of the time from an
	// event's making to its insert; zero if there was none.
	freshness time.Duration
}

// status is everything the status line tells.
type status struct {
	up               time.Duration
	rated            bool // produced and stored are known
	produced, stored float64
	lag              int64
	recent
	// instead replaces the numbers: which server does not answer, or what is waited for.
	instead string
}

// part is a piece of the status line; the higher its rank, the sooner it gives way.
type part struct {
	rank int
	text string
}

// statusLine puts s on one line of at most width characters (0: any), leaving out
// what matters least where space is short.
func statusLine(s status, width int) string {
	parts := []part{
		{0, clock(s.up)},
		{2, "produced " + perSecond(s.produced, s.rated)},
		{1, "stored " + perSecond(s.stored, s.rated)},
		{3, "lag " + humanize.Comma(s.lag)},
		{4, "p99 " + seconds(s.freshness)},
		{5, "| 5 min: revenue " + money(s.revenue)},
		{6, "views " + count(s.views)},
		{6, "carts " + count(s.carts)},
		{6, "purchases " + count(s.purchases)},
	}
	if s.removals > 0 {
		parts = append(parts, part{7, "removals " + count(s.removals)})
	}
	if s.instead != "" {
		parts = []part{{0, clock(s.up)}, {0, s.instead}}
	}
	for rank := 7; rank > 0 && width > 0 && utf8.RuneCountInString(join(parts)) > width; rank-- {
		parts = without(parts, rank)
	}
	return cut(join(parts), width)
}

func without(parts []part, rank int) []part {
	var kept []part
	for _, p := range parts {
		if p.rank < rank {
			kept = append(kept, p)
		}
	}
	return kept
}

func join(parts []part) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.text
	}
	return strings.Join(texts, "  ")
}

func cut(line string, width int) string {
	if runes := []rune(line); width > 0 && len(runes) > width {
		return string(runes[:width])
	}
	return line
}

// clock shows how long the demo has run: 7s, 4m09s, 3h04m.
func clock(d time.Duration) string {
	switch s := int(d.Seconds()); {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
}

func perSecond(rate float64, known bool) string {
	if !known {
		return "-/s"
	}
	return humanize.Comma(int64(rate+0.5)) + "/s"
}

// seconds shows a duration as tests and dashboards do: 0.58 s. Zero is "none yet".
func seconds(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func count(n uint64) string { return humanize.Comma(int64(n)) }

// money shows an amount with two decimals and thousands apart: 12,345.60.
func money(amount decimal.Decimal) string {
	whole, cents, _ := strings.Cut(amount.Abs().StringFixed(2), ".")
	var b strings.Builder
	if amount.Sign() < 0 {
		b.WriteByte('-')
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String() + "." + cents
}

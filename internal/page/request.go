package page

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Ranges are the time ranges that end now.
var Ranges = []string{"5m", "15m", "1h", "6h", "24h"}

// maxSpan is the longest range that may be asked for.
const maxSpan = year + day

// sizes are what a viewer's width in points is rounded up to, so that viewers with
// nearly the same window share their queries.
var sizes = []int{100, 200, 300, 400, 600, 1000, 1600, 2400}

const defaultPoints = 600

// request is what a viewer may choose.
type request struct {
	// span is the width of a range that ends now; with from and to it is zero.
	span     time.Duration
	from, to time.Time
	points   int
	// variables are those of the board, each with the values chosen.
	variables map[string][]string
}

// parseRequest reads a query string. Its errors are for the viewer.
func parseRequest(b *Board, q url.Values, now time.Time) (r request, err error) {
	if r.points, err = pointsOf(q.Get("points")); err != nil {
		return r, err
	}
	if q.Get("from") != "" || q.Get("to") != "" {
		r.from, r.to, err = absolute(q.Get("from"), q.Get("to"), now)
	} else {
		r.span, err = spanOf(b, q.Get("range"))
	}
	if err != nil {
		return r, err
	}
	r.variables = map[string][]string{}
	for _, v := range b.Variables {
		r.variables[v.Name] = v.Current
	}
	for key, values := range q {
		name, ok := strings.CutPrefix(key, "var-")
		if !ok {
			continue
		}
		i := slices.IndexFunc(b.Variables, func(v *Variable) bool { return v.Name == name })
		if i < 0 {
			return r, fmt.Errorf("variable %.50q: the board has none of this name", name)
		}
		if err := b.Variables[i].accept(values); err != nil {
			return r, err
		}
		r.variables[name] = values
	}
	return r, nil
}

func pointsOf(text string) (int, error) {
	if text == "" {
		return defaultPoints, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("points: want a number from 1, got %.20q", text)
	}
	for _, size := range sizes {
		if n <= size {
			return size, nil
		}
	}
	return sizes[len(sizes)-1], nil
}

func spanOf(b *Board, text string) (time.Duration, error) {
	if text == "" {
		text = b.Range
	}
	if !slices.Contains(Ranges, text) {
		return 0, fmt.Errorf("range: want one of %s, got %.20q", strings.Join(Ranges, ", "), text)
	}
	return duration(text)
}

// absolute reads a range of milliseconds since 1970. An end in the future becomes
// now; a range that is all in the future, reversed or too long is an error.
func absolute(from, to string, now time.Time) (begin, end time.Time, err error) {
	a, errA := strconv.ParseInt(from, 10, 64)
	b, errB := strconv.ParseInt(to, 10, 64)
	begin, end = time.UnixMilli(a), time.UnixMilli(b)
	switch {
	case errA != nil || errB != nil:
		err = fmt.Errorf("from and to: want both, in milliseconds since 1970, got %.30q and %.30q", from, to)
	case a < 0 || b < 0:
		err = fmt.Errorf("from and to: want times since 1970, got %d and %d", a, b)
	case b <= a:
		err = fmt.Errorf("from and to: want from before to, got %d and %d", a, b)
	case begin.After(now):
		err = fmt.Errorf("from and to: the range lies in the future")
	case end.After(now):
		end = now
	}
	if err == nil && end.Sub(begin) > maxSpan {
		err = fmt.Errorf("from and to: want at most %d days, got %d", maxSpan/day, end.Sub(begin)/day)
	}
	return begin, end, err
}

// bounds returns the range as it is at a moment.
func (r request) bounds(now time.Time) (from, to time.Time) {
	if r.span > 0 {
		return now.Add(-r.span), now
	}
	return r.from, r.to
}

// key tells requests apart whose answers may differ for this panel.
func (r request) key(p *Panel) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d", r.span, r.from.UnixMilli(), r.to.UnixMilli())
	if p.bucketed {
		from, to := r.bounds(time.UnixMilli(0))
		fmt.Fprintf(&b, " %d", p.interval(from, to, r.points))
	}
	for _, name := range p.uses {
		fmt.Fprintf(&b, " %s=%q", name, r.variables[name])
	}
	return b.String()
}

// interval is the width of a panel's buckets: its own number of points counts before
// the viewer's.
func (p *Panel) interval(from, to time.Time, points int) time.Duration {
	if p.maxPoints > 0 {
		points = p.maxPoints
	}
	return Interval(from, to, points, p.minInterval)
}

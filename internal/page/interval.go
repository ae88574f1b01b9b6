package page

import (
	"fmt"
	"time"
)

// steps are the widths that Grafana rounds a bucket to, each with the width from
// which on the next one is taken (roundInterval of its rangeutil).
var steps = []struct{ below, width time.Duration }{
	{10 * time.Millisecond, time.Millisecond},
	{15 * time.Millisecond, 10 * time.Millisecond},
	{35 * time.Millisecond, 20 * time.Millisecond},
	{75 * time.Millisecond, 50 * time.Millisecond},
	{150 * time.Millisecond, 100 * time.Millisecond},
	{350 * time.Millisecond, 200 * time.Millisecond},
	{750 * time.Millisecond, 500 * time.Millisecond},
	{1500 * time.Millisecond, time.Second},
	{3500 * time.Millisecond, 2 * time.Second},
	{7500 * time.Millisecond, 5 * time.Second},
	{12500 * time.Millisecond, 10 * time.Second},
	{17500 * time.Millisecond, 15 * time.Second},
	{25 * time.Second, 20 * time.Second},
	{45 * time.Second, 30 * time.Second},
	{90 * time.Second, time.Minute},
	{210 * time.Second, 2 * time.Minute},
	{450 * time.Second, 5 * time.Minute},
	{750 * time.Second, 10 * time.Minute},
	{1050 * time.Second, 15 * time.Minute},
	{1500 * time.Second, 20 * time.Minute},
	{2700 * time.Second, 30 * time.Minute},
	{5400 * time.Second, time.Hour},
	{9000 * time.Second, 2 * time.Hour},
	{16200 * time.Second, 3 * time.Hour},
	{32400 * time.Second, 6 * time.Hour},
	{86400 * time.Second, 12 * time.Hour},
	{7 * day, day},
	{21 * day, 7 * day},
	{42 * day, 30 * day},
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// Interval returns the width of a time bucket for a panel of so many points, at
// least lowest: the panel's "Min interval".
func Interval(from, to time.Time, points int, lowest time.Duration) time.Duration {
	raw := to.Sub(from) / time.Duration(max(points, 1))
	width := year
	for _, s := range steps {
		if raw < s.below {
			width = s.width
			break
		}
	}
	return max(width, lowest)
}

// intervalText writes an interval the way Grafana does: 10s, 1m, 2h, 7d.
func intervalText(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{year, "y"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.size && d%u.size == 0 {
			return fmt.Sprintf("%d%s", d/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dms", max(d.Milliseconds(), 1))
}

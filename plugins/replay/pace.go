package replay

import "time"

// pace turns the times of a file into those of now: the first row that is sent happens
// now, and the gaps between rows are divided by speed. Its zero value leaves times as
// they are.
type pace struct {
	speed float64 // 0: as it was, without waiting
	first int64   // time of the first row, Unix ms
	start time.Time
}

// at returns what a row's time becomes, and when it is due (zero: at once).
func (p *pace) at(milli int64, now time.Time) (shifted int64, due time.Time) {
	if p.speed == 0 {
		return milli, time.Time{}
	}
	if p.start.IsZero() {
		p.first, p.start = milli, now
	}
	shifted = p.start.UnixMilli() + int64(float64(milli-p.first)/p.speed)
	shifted = min(max(shifted, firstMilli), lastMilli)
	return shifted, p.start.Add(time.Duration(shifted-p.start.UnixMilli()) * time.Millisecond)
}

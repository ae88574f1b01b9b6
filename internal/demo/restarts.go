package demo

import "time"

const (
	// shortRun is how long a child must live for its death to count as an accident
	// (a kill, a crash under load) and not as a start that cannot work.
	shortRun = 2 * time.Second
	// maxShortRuns in a row make a crash loop: about four seconds of trying.
	maxShortRuns = 5
	firstDelay   = 100 * time.Millisecond
	maxDelay     = 5 * time.Second
)

// restarts counts a child's short runs in a row and decides when it starts again.
type restarts struct{ short int }

// after takes how long the last run lasted and returns how long to wait before
// the next one; ok is false once the child is in a crash loop.
func (r *restarts) after(ran time.Duration) (delay time.Duration, ok bool) {
	if ran >= shortRun {
		r.short = 0
		return firstDelay, true
	}
	r.short++
	return min(firstDelay<<(r.short-1), maxDelay), r.short < maxShortRuns
}

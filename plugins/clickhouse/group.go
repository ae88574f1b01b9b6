package clickhouse

import (
	"time"

	"clickstream/internal/event"
)

// group is the callers that share one block: group commit.
type group struct {
	block    *block
	opened   time.Time     // when its first row came
	waiters  int           // callers that have added their last row here
	taken    chan struct{} // closed when it takes no more rows
	done     chan struct{} // closed when every row has its outcome
	settled  int           // rows from here on are to be built anew: the table has changed
	rejected map[int]*event.Rejection
	err      error // the writer closed before the rows had an outcome
}

func newGroup(b *block) *group {
	return &group{block: b, taken: make(chan struct{}), done: make(chan struct{})}
}

// part is the rows of one caller in one group: messages first to last, without
// those that were rejected at once, became the rows from row on.
type part struct {
	group *group
	row   int
	msgs  []int // indexes of the caller's messages
}

// reason says why a block was sent: the label of the metric flushes.
type reason string

const (
	byRows  reason = "rows"
	byBytes reason = "bytes"
	byTime  reason = "time"
	// byIdle: every caller waits for this block, so no row can join it.
	byIdle reason = "idle"
	// byClose: the output closes.
	byClose reason = "close"
)

// limit is how far a block may grow before it is sent.
type limit struct {
	rows     int
	bytes    int
	interval time.Duration
}

// full reports whether the group takes no more rows, and by which limit.
func (g *group) full(l limit) (reason, bool) {
	switch {
	case g.block.rows >= l.rows:
		return byRows, true
	case g.block.bytes >= l.bytes:
		return byBytes, true
	}
	return "", false
}

package clickhouse

import (
	"time"

	"clickstream/internal/event"
)

// group is the callers that share one block: group commit.
type group struct {
	block    *block
	opened   time.Time     // when its first row came
	grown    time.Time     // when its last rows came
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

// part is consecutive messages of one caller that became the rows from row on of one
// group.
type part struct {
	group    *group
	row      int
	messages rowRange
}

// reason says why a block was sent: the label of the metric flushes.
type reason string

const (
	byRows  reason = "rows"
	byBytes reason = "bytes"
	byTime  reason = "time"
	// byIdle: no row can join it, since every caller waits for this block, or none has
	// come for a while though the block is large.
	byIdle reason = "idle"
	// byClose: the output closes, or the process stops.
	byClose reason = "close"
)

// An input that bounds what is in flight stops when that much waits here, and goes
// on once it is stored: waiting for the time limit then would be waiting for nothing.
const (
	// quiet is how long no row must have come. Kafka's own pause between two answers
	// is 50 ms at most, and much less when there is a lot to read.
	quiet = 60 * time.Millisecond
	// quietBytes keeps small blocks out of this rule, which would cut a trickle into
	// more parts: 50,000 of our events a second make 2.1 MB in half a second.
	quietBytes = 3 << 20
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

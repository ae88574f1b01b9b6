package clickhouse

import "time"

// What the server's complaints may do to the limits.
const (
	// leastRows: smaller blocks cost the server more than they save it.
	leastRows = 1000
	// mostStretch is how many times rarer blocks get when there are too many parts.
	mostStretch = 16
	// calm is how many blocks must be stored before a limit goes one step back.
	calm = 10
)

// pace adapts a block's limits: memory and time limits of the server make blocks
// smaller, too many parts make them rarer. Both recover by a step each calm blocks.
type pace struct {
	set     limit // by the user
	rows    int
	stretch int
	stored  int // blocks since the last complaint or step
}

func newPace(set limit) pace { return pace{set: set, rows: set.rows, stretch: 1} }

func (p *pace) limit() limit {
	return limit{rows: p.rows, bytes: p.set.bytes, interval: p.set.interval * time.Duration(p.stretch)}
}

// complain takes a failed insert of that many rows into account.
func (p *pace) complain(c class, rows int) {
	switch c {
	case smaller:
		p.rows = min(p.set.rows, max(leastRows, min(p.rows, rows)/2))
		p.stored = 0
	case rarer:
		p.stretch = min(mostStretch, p.stretch*2)
		p.rows = p.set.rows
		p.stored = 0
	}
}

// store takes a stored block into account.
func (p *pace) store() {
	if p.stored++; p.stored < calm {
		return
	}
	p.stored = 0
	p.rows = min(p.set.rows, p.rows*2)
	p.stretch = max(1, p.stretch/2)
}

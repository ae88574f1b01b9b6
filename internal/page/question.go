package page

import (
	"context"
	"sync"
	"time"
)

// result is what a query returned at one moment.
type result struct {
	at, from, to time.Time
	interval     time.Duration
	columns      []column // panels may share them: not to be changed
	took         time.Duration
	err          error
}

// ask runs a panel's query.
func (p *Panel) ask(ctx context.Context, d *database, r request, options map[string][]string) (q result) {
	q.at = time.Now()
	q.from, q.to = r.bounds(q.at)
	q.interval = p.interval(q.from, q.to, r.points)
	sql, err := Expand(p.sql, Query{From: q.from, To: q.to, Interval: q.interval, Variables: r.variables, Options: options})
	if err != nil {
		q.err = err
		return q
	}
	q.columns, q.took, q.err = d.query(ctx, sql)
	return q
}

// questions are those that the server is working on. Panels of the same SQL, which
// show other columns of it, start in the same tick and cost one query.
type questions struct {
	mu   sync.Mutex
	open map[string]*question
}

type question struct {
	answered chan struct{}
	result   result
}

// join returns the result of the question of this key that is open, or opens it.
func (q *questions) join(key string, ask func() result) result {
	q.mu.Lock()
	if other, ok := q.open[key]; ok {
		q.mu.Unlock()
		<-other.answered // within queryTimeout
		return other.result
	}
	mine := &question{answered: make(chan struct{})}
	q.open[key] = mine
	q.mu.Unlock()

	mine.result = ask()
	q.mu.Lock()
	delete(q.open, key)
	q.mu.Unlock()
	close(mine.answered)
	return mine.result
}

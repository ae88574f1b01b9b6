package clickhouse

import (
	"context"
	"time"

	"clickstream/internal/event"
	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// Back-off between attempts. A server that is restarted answers within seconds, so
// the pause never grows past two.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	// logEvery is how often a failure that goes on is logged.
	logEvery = 10 * time.Second
)

// table is what a sender needs of a server.
type table interface {
	// insert stores rows lo to hi of the block. An error says nothing about what is stored.
	insert(ctx context.Context, b *block, lo, hi int) error
	// prepare reads the table.
	prepare(ctx context.Context) (*plan, error)
	// refused says what became of a row whose insert the server refused for the row's sake.
	refused(ctx context.Context, b *block, row int) (stored bool, err error)
	// find says which records are stored that this process does not take for rows.
	find(ctx context.Context, all []*suspect) error
}

// sender stores blocks, whatever it takes.
type sender struct {
	config *config
	table  table
	stats  *stats
	log    *service.Logger
	logged time.Time // when a failure was last logged
	told   bool      // a failure was logged, and its end was not
	pause  time.Duration
}

// store gives every row of g its outcome: stored, or rejected by the server. It
// repeats inserts until then; one that failed half-way is repeated whole, so without
// exactly_once a row may be stored twice. If the table's columns have changed it
// stores what it can and returns the plan for the others. The error is ctx's.
func (s *sender) store(ctx context.Context, g *group, w *writer) (next *plan, err error) {
	todo := newRanges(g.block.rows, w.adapt(again, 0, false))
	for todo.left() {
		r := todo.first()
		started := time.Now()
		failure := s.table.insert(ctx, g.block, r.lo, r.hi)
		s.stats.insert(time.Since(started), failure)
		if failure == nil {
			s.succeed()
			g.settled = todo.settle(w.adapt(again, 0, true))
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c := classify(failure)
		switch {
		case c == rows && r.len() == 1:
			var stored bool
			if stored, err = s.table.refused(ctx, g.block, r.lo); err == nil {
				if !stored {
					g.reject(r.lo, failure)
				}
				g.settled = todo.settle(todo.most)
				continue
			}
			failure, c = err, again
		case c == rows:
			todo.halve()
			continue
		case c == drift:
			if next, failure = s.table.prepare(ctx); failure == nil {
				return next, nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		todo.most = w.adapt(c, r.len(), false)
		if err := s.wait(ctx, failure); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// find holds suspects against the table, whatever it takes. The error is ctx's.
func (s *sender) find(ctx context.Context, all []*suspect) error {
	for {
		err := s.table.find(ctx, all)
		if err == nil {
			s.succeed()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.wait(ctx, err); err != nil {
			return err
		}
	}
}

// reject keeps why the server refused a row.
func (g *group) reject(row int, failure error) {
	if g.rejected == nil {
		g.rejected = map[int]*event.Rejection{}
	}
	g.rejected[row] = &event.Rejection{Reason: event.ReasonValue, Message: rowError(failure)}
}

// connect returns the table's plan. It waits for a server that is absent. What no
// retry mends stops the process, by way of process.Fatal; an embedding program that
// does not stop sees the output wait and try again.
func (s *sender) connect(ctx context.Context) (*plan, error) {
	for {
		p, err := s.table.prepare(ctx)
		if err == nil {
			s.succeed()
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if classify(err) == stuck {
			process.Fatal(s.config.explain(err))
		}
		if err := s.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// succeed ends a series of failures.
func (s *sender) succeed() {
	if s.told {
		s.log.With("table", s.config.target()).Info("clickhouse stores rows again")
	}
	s.pause, s.told = 0, false
	s.stats.up(true)
	process.SetHealth(s.config.healthName(), nil)
}

// wait reports a failure and pauses, longer each time.
func (s *sender) wait(ctx context.Context, failure error) error {
	failure = s.config.explain(failure)
	s.stats.up(false)
	process.SetHealth(s.config.healthName(), failure)
	if time.Since(s.logged) >= logEvery {
		s.logged, s.told = time.Now(), true
		s.log.With("error", failure.Error()).Warn("clickhouse does not store rows: trying again")
	}
	s.pause = min(lastPause, max(firstPause, 2*s.pause))
	timer := time.NewTimer(s.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

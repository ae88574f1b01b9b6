package demo

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Exit codes of a child that starting it again cannot mend (decisions.md 17).
const (
	exitUsage  = 2
	exitUnsent = 3
	exitConfig = 78
)

// supervisor keeps services running until each is told to stop.
type supervisor struct {
	launcher *launcher
	// notify tells the user that a child died and is started again, in one line.
	notify func(line string)
	// broken yields the first child that cannot be kept running, and why.
	broken chan error
}

func newSupervisor(l *launcher, notify func(string)) *supervisor {
	return &supervisor{launcher: l, notify: notify, broken: make(chan error, 1)}
}

// kept is a service that the supervisor keeps running.
type kept struct {
	service service
	ready   chan struct{} // closed once it served for the first time
	gone    chan struct{} // closed once it is stopped or given up
	// stopping is closed by stop.
	stopping chan struct{}
	grace    time.Duration // set before stopping is closed
	once     sync.Once
	// last is the exit code of the final run; read it after gone.
	last int
	// err says why it was given up; read it after gone.
	err error
}

// keep starts a service and, from then on, starts it again whenever it dies.
func (s *supervisor) keep(sv service) *kept {
	k := &kept{service: sv, ready: make(chan struct{}), gone: make(chan struct{}), stopping: make(chan struct{})}
	go func() {
		defer close(k.gone)
		if k.err = s.run(k); k.err != nil {
			select {
			case s.broken <- k.err:
			default: // the first one is told; the rest follow from it
			}
		}
	}()
	return k
}

// run is the life of a kept service. It returns nil after stop.
func (s *supervisor) run(k *kept) error {
	var history restarts
	served := false
	for {
		c, err := s.launcher.start(k.service)
		if err != nil {
			return err
		}
		served = k.awaitReady(c) || served
		select {
		case <-c.done:
		case <-k.stopping:
			c.stop(k.grace)
			k.last = c.code()
			return nil
		}
		k.last = c.code()
		delay, ok := history.after(c.ran)
		if !served || !ok || k.last == exitUsage || k.last == exitConfig {
			return c.failure()
		}
		s.notify(fmt.Sprintf("%s died (%v) after %s, starting it again (log: %s)",
			k.service.name, endOf(c), c.ran.Round(time.Millisecond), c.log))
		select {
		case <-time.After(delay):
		case <-k.stopping:
			return nil
		}
	}
}

// awaitReady waits until c serves, ends, or is to stop; it tells whether it served.
func (k *kept) awaitReady(c *child) bool {
	select {
	case <-c.ready:
		k.once.Do(func() { close(k.ready) })
		return true
	case <-c.done:
	case <-k.stopping:
	}
	return false
}

func endOf(c *child) string {
	if c.err == nil {
		return "exit status 0"
	}
	return c.err.Error()
}

// stop ends the service for good and returns the exit code of its last run.
// A nil service, one that was never started, has ended well.
func (k *kept) stop() int {
	if k == nil {
		return 0
	}
	return k.stopWithin(k.service.grace)
}

// stopWithin is stop with another grace. It is not for concurrent use.
func (k *kept) stopWithin(grace time.Duration) int {
	if k == nil {
		return 0
	}
	select {
	case <-k.stopping:
	default:
		k.grace = grace
		close(k.stopping)
	}
	<-k.gone
	return k.last
}

// served waits until every service of the list has served once.
func served(ctx context.Context, limit time.Duration, list ...*kept) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	for _, k := range list {
		select {
		case <-k.ready:
		case <-k.gone:
			return k.err
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("%s: not ready after %s", k.service.name, limit)
		}
	}
	return nil
}

// once runs a service that ends by itself. Its failure is the error.
func (l *launcher) once(ctx context.Context, sv service) error {
	c, err := l.start(sv)
	if err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.stop(sv.grace)
		return ctx.Err()
	}
	if c.err != nil {
		return c.failure()
	}
	return nil
}

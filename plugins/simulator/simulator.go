// Package simulator is a repeatable stand-in for the tracker of a web shop: same
// seed, same events. What visitors do (generator.go), when events leave (pacer.go)
// and that none is lost (delivery.go) know nothing of each other.
package simulator

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/event"
	"clickstream/internal/process"
)

func init() {
	service.MustRegisterBatchInput("clickstream_simulator", spec(),
		func(pc *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
			cfg, err := parse(pc)
			if err != nil {
				return nil, err
			}
			return open(cfg, res), nil
		})
}

// simulator is the input. Benthos calls Connect and ReadBatch from one goroutine;
// what acknowledgements and the gauge touch is in deliveries and late.
type simulator struct {
	cfg        config
	log        *service.Logger
	events     *service.MetricCounter
	behind     *service.MetricGauge
	deliveries *deliveries

	generator *generator
	pacer     pacer
	start     time.Time // what the pacer's times count from
	started   bool      // the output took something
	last      *batch    // handed out, and not known to have been passed on

	late    atomic.Pointer[time.Time] // when the next event was or will be due; nil: none
	stop    context.CancelFunc        // ends the gauge's goroutine; nil before Connect
	stopped sync.WaitGroup
}

func open(cfg config, res *service.Resources) *simulator {
	metrics := res.Metrics()
	return &simulator{
		cfg:        cfg,
		log:        res.Logger(),
		events:     metrics.NewCounter("clickstream_simulator_events_total", "type"),
		behind:     metrics.NewGauge("clickstream_simulator_behind_seconds"),
		deliveries: newDeliveries(metrics.NewCounter("clickstream_simulator_resent_events_total")),
	}
}

// Connect makes the shop. The schedule starts when the output took the first event.
func (s *simulator) Connect(context.Context) error {
	seed, run := s.cfg.seed, uint64(0)
	if seed == 0 {
		seed = 1 + rand.Int64N(maxDrawnSeed)
		s.log.With("seed", seed).Info("seed drawn: set it to see the same visitors again")
	}
	if s.cfg.seed == 0 || s.cfg.count == 0 {
		run = rand.Uint64() // a producer that starts again must not repeat event ids
	}
	s.generator = newGenerator(s.cfg.users, uint64(seed), run)
	s.pacer = pacer{rate: s.cfg.rate}
	s.start = time.Now()

	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.stopped.Go(func() { s.gauge(ctx) })
	return nil
}

// ReadBatch waits until events are due, or a refused batch is to be sent again, and
// returns them. After the last one it waits until all are acknowledged.
func (s *simulator) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	s.passedOn()
	for ctx.Err() == nil {
		now := time.Now()
		if b := s.nextBatch(now); b != nil {
			s.last = b
			messages, ack := s.deliveries.hand(b)
			return messages, ack, nil
		}
		wake, ended := s.nextWake(now)
		if ended {
			return nil, nil, service.ErrEndOfInput
		}
		timer := time.NewTimer(wake.Sub(now))
		select {
		case <-timer.C:
		case <-s.deliveries.changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil, nil, ctx.Err()
}

// passedOn counts the batch returned last as produced: Benthos asks for the next
// one only after it passed the last one on. One that it dropped because it was
// stopped is never counted.
func (s *simulator) passedOn() {
	b := s.last
	if b == nil {
		return
	}
	s.last = nil
	s.deliveries.passedOn(b)
	if b.handing > 1 {
		return
	}
	if !s.started { // an output that takes a minute to connect is not a stall to catch up
		s.started = true
		s.start = time.Now().Add(-s.pacer.restart())
		s.setLate()
	}
	for kind, n := range b.kinds {
		if n > 0 {
			s.events.Incr(n, event.Type(kind).String())
		}
	}
}

// nextBatch returns what is to leave now, or nil.
func (s *simulator) nextBatch(now time.Time) *batch {
	if b := s.deliveries.retry(now); b != nil {
		return b
	}
	limit := s.left()
	if _, full, _ := s.deliveries.state(); full || limit == 0 {
		return nil
	}
	elapsed := now.Sub(s.start)
	n, from := s.pacer.take(elapsed, min(limit, maxBatch))
	if n == 0 {
		return nil
	}
	s.setLate()
	return newBatch(s.generator, int(n), now, elapsed-from)
}

// nextWake returns when to look again, and whether everything is delivered.
func (s *simulator) nextWake(now time.Time) (at time.Time, ended bool) {
	open, full, at := s.deliveries.state()
	left := s.left()
	if left == 0 && open == 0 {
		return now, true
	}
	if at.IsZero() {
		at = now.Add(time.Hour) // an acknowledgement wakes us
	}
	if left > 0 && !full {
		if due := s.start.Add(s.pacer.next(now.Sub(s.start))); due.Before(at) {
			at = due
		}
	}
	return at, false
}

// left returns how many events are still to be made.
func (s *simulator) left() int64 {
	if s.cfg.count == 0 {
		return math.MaxInt64
	}
	return s.cfg.count - s.pacer.sent
}

// setLate notes when the next event is due, for the gauge.
func (s *simulator) setLate() {
	if s.cfg.rate == 0 || s.left() == 0 {
		s.late.Store(nil)
		return
	}
	due := s.start.Add(s.pacer.dueAt(s.pacer.sent + 1))
	s.late.Store(&due)
}

// gauge shows how late the next event is. It has a goroutine of its own because
// ReadBatch is not called while the output takes nothing, which is when it matters.
func (s *simulator) gauge(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			var late time.Duration
			if due := s.late.Load(); due != nil {
				late = max(0, now.Sub(*due)-tick) // a tick is not late
			}
			s.behind.SetFloat64(late.Seconds())
		case <-ctx.Done():
			return
		}
	}
}

// Close reports what was passed on and never acknowledged. It does not wait for
// acknowledgements: Benthos has done so, or was told not to.
func (s *simulator) Close(context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	s.stop = nil
	s.stopped.Wait()
	process.AddUnacked(s.deliveries.unacked())
	return nil
}

// Package simulator is a repeatable stand-in for the tracker of a web shop: same
// seed, same events. What visitors do (generator.go), how the shop's week goes
// (calendar.go), when events leave (pacer.go), what goes wrong with them (dirt.go)
// and that none is lost (delivery.go, ledger.go) know little of each other.
// docs/simulator.md describes the model.
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
	cfg        settings
	log        *service.Logger
	events     *service.MetricCounter
	behind     *service.MetricGauge
	spoilt     *service.MetricCounter
	deliveries *deliveries

	maker    maker
	calendar *calendar
	ledger   *ledger // nil: none
	pacer    pacer
	start    time.Time // what the pacer's times count from
	started  bool      // the output took something
	last     *batch    // handed out, and not known to have been passed on

	late    atomic.Pointer[time.Time] // when the next event was or will be due; nil: none
	stop    context.CancelFunc        // ends the gauge's goroutine; nil before Connect
	stopped sync.WaitGroup
}

func open(cfg settings, res *service.Resources) *simulator {
	metrics := res.Metrics()
	return &simulator{
		cfg:        cfg,
		log:        res.Logger(),
		events:     metrics.NewCounter("clickstream_simulator_events_total", "type"),
		spoilt:     metrics.NewCounter("clickstream_simulator_dirt_total", "kind"),
		behind:     metrics.NewGauge("clickstream_simulator_behind_seconds"),
		deliveries: newDeliveries(metrics.NewCounter("clickstream_simulator_resent_events_total")),
	}
}

// Connect opens the shop. The schedule starts when the output took the first event.
func (s *simulator) Connect(context.Context) error {
	seed, run := s.cfg.seed, uint64(0)
	if seed == 0 {
		seed = 1 + rand.Int64N(maxDrawnSeed)
		s.log.With("seed", seed).Info("seed drawn: set it to see the same visitors again")
	}
	s.start = time.Now()
	begin := float64(s.start.Unix()+afterMonday) * s.cfg.scenario.timeFactor
	if s.cfg.seed != 0 && s.cfg.count != 0 {
		begin = 0 // everything but the time repeats
	} else {
		run = rand.Uint64() // a producer that starts again must not repeat event ids
	}
	var err error
	if s.calendar, err = newCalendar(s.cfg.scenario, s.cfg.rhythm, math.Mod(begin, weekSeconds)); err != nil {
		return err
	}
	s.maker = maker{
		generator: newGenerator(shop{s.cfg.scenario, s.calendar, s.cfg.users, s.cfg.rate, uint64(seed), run}),
		dirt:      newDirt(uint64(seed), s.cfg.dirt),
		noted:     s.cfg.ledger != "",
	}
	s.pacer = pacer{rate: s.cfg.rate}
	if err := s.openLedger(uint64(seed), run); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.stopped.Go(func() { s.gauge(ctx) })
	return nil
}

// afterMonday is how many seconds 1 January 1970, a Thursday, lies after a Monday.
const afterMonday = 3 * 24 * 60 * 60

// openLedger opens the ledger, if there is to be one. That it cannot be written is
// nothing that waiting mends.
func (s *simulator) openLedger(seed, run uint64) (err error) {
	if s.cfg.ledger == "" || s.ledger != nil {
		return nil
	}
	if s.ledger, err = openLedger(s.cfg.ledger, seed, run); err != nil {
		process.Fatal(err)
		return err
	}
	s.deliveries.acked = func(numbers []int64) {
		if err := s.ledger.acked(numbers); err != nil {
			process.Fatal(err)
		}
	}
	return nil
}

// ReadBatch waits until events are due, or a refused batch is to be sent again, and
// returns them. After the last one it waits until all are acknowledged.
func (s *simulator) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	s.passedOn()
	for ctx.Err() == nil {
		now := time.Now()
		if b := s.nextBatch(now); b != nil {
			if err := s.note(b); err != nil {
				process.Fatal(err)
				<-ctx.Done() // what is not in the ledger is not sent
				return nil, nil, ctx.Err()
			}
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

// note writes a new batch into the ledger.
func (s *simulator) note(b *batch) error {
	if s.ledger == nil || b.numbers != nil {
		return nil
	}
	return s.ledger.sent(b)
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
		s.start = time.Now().Add(-s.calendar.passed(s.pacer.restart()))
		s.setLate()
	}
	for kind, n := range b.kinds {
		if n > 0 {
			s.events.Incr(n, event.Type(kind).String())
		}
	}
	for kind, n := range b.dirt {
		if n > 0 && dirtKind(kind) != clean {
			s.spoilt.Incr(n, dirtNames[kind])
		}
	}
}

// maxSpan bounds the time that the events of a batch are spread over: at night a
// tick's events may be due over more than a tick.
const maxSpan = time.Second

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
	n, from := s.pacer.take(s.calendar.busy(elapsed), min(limit, maxBatch))
	if n == 0 {
		return nil
	}
	s.setLate()
	span := min(elapsed-s.calendar.passed(from), maxSpan)
	return s.maker.batch(int(n), now, span)
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
		next := s.pacer.next(s.calendar.busy(now.Sub(s.start)))
		if due := s.start.Add(s.calendar.passed(next)); due.Before(at) {
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
	due := s.start.Add(s.calendar.passed(s.pacer.dueAt(s.pacer.sent + 1)))
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
	if s.ledger != nil {
		return s.ledger.close()
	}
	return nil
}

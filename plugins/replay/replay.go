// Package replay sends recorded events through a pipeline: rows of CSV and NDJSON
// files, each once, whatever is killed. How a row becomes an event (mapping.go), where
// rows come from (reader.go), when they leave (pace.go), what is on its way
// (delivery.go) and what the topic has already (known.go) know little of each other.
// docs/replay.md says what is guaranteed and why.
package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/process"
)

func init() {
	service.MustRegisterBatchInput("clickstream_replay", spec(),
		func(pc *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
			c, err := parse(pc)
			if err != nil {
				return nil, err
			}
			return open(c, res), nil
		})
}

const (
	// batchRows and batchBytes bound a batch: large ones cost less a row, and a megabyte
	// on its way is little.
	batchRows  = 5000
	batchBytes = 1 << 20
	// window is how many rows may be handed out beyond the last marker: so many a replay
	// that follows a killed one has to look for in the topic.
	window = 1 << 18
	// fatalWait keeps Benthos from asking again while the process ends.
	fatalWait = time.Minute
)

// replay is the input. Benthos calls Connect and ReadBatch from one goroutine.
type replay struct {
	config     *config
	log        *service.Logger
	events     *service.MetricCounter
	unmapped   *service.MetricCounter
	found      *service.MetricCounter
	deliveries *deliveries
	progress   progress

	reader    *reader
	tag       tag
	tagged    int  // the file that tag is of, plus one
	row       row  // read and not yet handed out
	ended     bool // no more rows
	failure   error
	known     known
	pace      pace
	last      *batch // handed out, and not known to have been passed on
	beyond    int64  // rows handed out, ever
	marked    atomic.Int64
	searching atomic.Bool // known is not used up: no new marks

	topic   *topic // nil: none
	path    string // of the marker
	marker  *marker
	unlock  func() error
	stop    context.CancelFunc // ends the goroutines; nil before Connect
	stopped sync.WaitGroup
}

func open(c *config, res *service.Resources) *replay {
	metrics := res.Metrics()
	return &replay{
		config:     c,
		log:        res.Logger(),
		events:     metrics.NewCounter("clickstream_replay_rows_total"),
		unmapped:   metrics.NewCounter("clickstream_replay_unmapped_rows_total", "reason"),
		found:      metrics.NewCounter("clickstream_replay_known_rows_total"),
		deliveries: newDeliveries(metrics.NewCounter("clickstream_replay_resent_rows_total")),
		pace:       pace{speed: c.speed},
	}
}

// Connect finds the files and where to begin.
func (r *replay) Connect(ctx context.Context) error {
	if r.stop != nil {
		return nil
	}
	fatal, err := r.begin(ctx)
	if err != nil && fatal {
		process.Fatal(err)
		return service.NewErrBackOff(err, fatalWait)
	}
	if err != nil {
		return err
	}
	r.deliveries.moved(r.marker.At, 0)
	r.searching.Store(len(r.known.ids) > 0)
	background, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.stopped.Go(func() { r.mark(background) })
	r.progress.begin(r)
	r.stopped.Go(func() { r.progress.run(background, r.log) })
	return nil
}

// ReadBatch waits until rows are due, or a refused batch is to be sent again, and
// returns them. After the last one it waits until all are acknowledged.
func (r *replay) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	r.passedOn()
	for ctx.Err() == nil {
		b, wake := r.next(time.Now())
		if b != nil {
			r.last = b
			messages, ack := r.deliveries.hand(b)
			r.searched()
			return messages, ack, nil
		}
		if open, _, _ := r.deliveries.state(); r.ended && open == 0 {
			return nil, nil, r.end(ctx)
		}
		timer := time.NewTimer(time.Until(wake))
		select {
		case <-timer.C:
		case <-r.deliveries.changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil, nil, ctx.Err()
}

// passedOn counts the batch returned last as sent: Benthos asks for the next one only
// after it passed the last one on.
func (r *replay) passedOn() {
	if b := r.last; b != nil {
		r.last = nil
		r.deliveries.passedOn(b)
		if b.handing == 1 {
			r.events.Incr(int64(len(b.ends)))
		}
	}
}

// next returns what is to leave now, or nil and when to look again.
func (r *replay) next(now time.Time) (*batch, time.Time) {
	if b := r.deliveries.retry(now); b != nil {
		return b, now
	}
	_, full, wake := r.deliveries.state()
	if wake.IsZero() {
		wake = now.Add(time.Hour) // an acknowledgement wakes us
	}
	if full || r.ended {
		return nil, wake
	}
	if r.beyond-r.marked.Load() >= window && !(r.marker.Whole && r.searching.Load()) {
		return nil, now.Add(markEvery)
	}
	b := r.fill(now)
	if b == nil && r.row.pending && r.row.due.Before(wake) {
		wake = r.row.due
	}
	if b == nil && r.ended {
		wake = now
	}
	return b, wake
}

// end is called once everything is acknowledged.
func (r *replay) end(ctx context.Context) error {
	for {
		err := r.settle(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.log.With("error", err).Warn("marker cannot be brought up to date, trying again")
		timer := time.NewTimer(time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	if r.failure == nil {
		return service.ErrEndOfInput
	}
	process.Fatal(r.failure)
	<-ctx.Done()
	return ctx.Err()
}

// Close leaves a marker for the next start and reports what was passed on and never
// acknowledged. It does not wait for acknowledgements: Benthos has done so.
func (r *replay) Close(ctx context.Context) error {
	var err error
	if r.stop != nil {
		r.stop()
		r.stopped.Wait()
		r.stop = nil
		process.AddUnacked(r.deliveries.unacked())
		if err = r.settle(ctx); err != nil {
			err = fmt.Errorf("marker: %w: the next start finds out from the topic", err)
		}
		r.progress.end(r)
	}
	if r.reader != nil {
		r.reader.close()
	}
	if r.topic != nil {
		r.topic.client.Close()
	}
	if r.unlock != nil {
		err = errors.Join(err, r.unlock())
	}
	return err
}

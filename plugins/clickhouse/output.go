// Package clickhouse is an output that stores JSON messages as rows of a ClickHouse
// table over clickhouse-go: typed columns, built without a map or an interface
// value per field, in blocks that grow with the load.
package clickhouse

import (
	"context"
	"errors"
	"sync"

	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
)

func init() { service.MustRegisterBatchOutput("clickhouse", spec(), open) }

func open(pc *service.ParsedConfig, res *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
	c, err := parse(pc)
	if err != nil {
		return nil, service.BatchPolicy{}, 0, err
	}
	o := &output{config: c, stats: newStats(res.Metrics()), log: res.Logger()}
	if c.exactlyOnce { // a processor may drop records before this has connected
		if o.notes, err = newFilterNotes(c, o.log); err != nil {
			return nil, service.BatchPolicy{}, 0, c.explain(err)
		}
	}
	return o, service.BatchPolicy{}, c.maxInFlight, nil
}

// output is the plugin: what Benthos calls, over a writer that does the work.
type output struct {
	config *config
	stats  *stats
	log    *service.Logger

	mu     sync.Mutex
	server *server
	writer *writer
	cancel context.CancelFunc // ends the insert in flight

	notes   *filterNotes // of a table that verify holds against the topic
	reaches bool         // what comes here is a row or a letter of such a table

	recording sync.WaitGroup
	enough    context.CancelFunc // ends the recorder
}

// Connect waits for the server and reads the table. It answers only when both are
// there: Benthos would log every failed attempt, twice a second.
func (o *output) Connect(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writer != nil {
		return nil
	}
	process.SetHealth(o.config.healthName(), errConnecting)
	s, err := dial(o.config)
	if err != nil {
		return o.config.explain(err)
	}
	sender := &sender{config: o.config, table: s, stats: o.stats, log: o.log}
	if o.config.exactlyOnce {
		if err := o.config.take(); err != nil {
			return errors.Join(err, s.close())
		}
		sender.table = newOnce(s, o.stats, o.log)
	}
	p, err := sender.connect(ctx)
	if err != nil {
		_ = s.close() // ctx has ended; nothing was sent
		o.release()
		return service.ErrEndOfInput
	}
	run, cancel := context.WithCancel(context.Background())
	o.server, o.cancel, o.writer = s, cancel, newWriter(sender, p, o.config)
	o.writer.stopping = process.Stopping()
	go o.writer.run(run)
	o.reaches = o.config.exactlyOnce || p.letters
	return o.record()
}

// record starts what writes the metrics table, if there is one.
func (o *output) record() error {
	if o.config.metricsTable == "" {
		return nil
	}
	r, err := newRecorder(o.config, &o.stats.tally, o.log)
	if err != nil {
		return o.config.explain(err)
	}
	ctx, enough := context.WithCancel(context.Background())
	o.enough = enough
	o.recording.Go(func() { r.run(ctx) })
	return nil
}

// WriteBatch returns when every message is stored or named in the error. It blocks
// while the server is away; ctx ends at a hard stop.
func (o *output) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	o.mu.Lock()
	w := o.writer
	o.mu.Unlock()
	if w == nil {
		return service.ErrNotConnected
	}
	if o.reaches {
		if err := reached(batch); err != nil {
			process.Fatal(o.config.explain(err))
			return err
		}
	}
	documents := documentsOf(batch)
	err := w.write(ctx, documents)
	if errors.Is(err, service.ErrEndOfInput) {
		process.AddUnacked(documents.Len())
	}
	return err
}

// Close sends what waits, for as long as one insert may take.
func (o *output) Close(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer process.ForgetHealth(o.config.healthName())
	defer o.unnote()
	if o.writer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.config.insertTimeout)
	defer cancel()
	o.writer.close(ctx, o.cancel)
	o.writer = nil
	if o.enough != nil {
		o.enough()
		o.recording.Wait()
	}
	o.release()
	return o.server.close()
}

// unnote ends the notes of filtered records.
func (o *output) unnote() {
	if o.notes != nil {
		_ = o.notes.close() // what it stored has its answer
		o.notes = nil
	}
}

// release gives the table free for another output.
func (o *output) release() {
	if o.config.exactlyOnce {
		o.config.release()
	}
}

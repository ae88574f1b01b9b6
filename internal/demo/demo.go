// Package demo runs the whole of clickstream on one machine, as compose does with
// containers: broker, engine, init, producer, consumer and page are child processes of
// the same binary, so that what a user sees, kills and restarts here is what runs
// anywhere. The demo itself only starts, watches, reads numbers and stops.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Config is what the command line says.
type Config struct {
	// Program is the binary that every child runs: os.Executable.
	Program string
	Version string
	// Data is the folder of everything that is kept.
	Data string
	// Reset empties Data first.
	Reset bool
	// Rate is events a second; 0 is as fast as the machine can.
	Rate int
	// For ends the demo so long after the first row; 0: it runs until it is stopped.
	For time.Duration
	// Password asks for a password of clients of the demo's own engine, drawn once.
	Password bool
	// Kafka, ClickHouse and ClickHouseHTTP are the addresses to serve on; a port of
	// 0 is replaced by a free one.
	Kafka, ClickHouse, ClickHouseHTTP string
	// Page is the address of the live page; empty: none is served.
	Page string
	// Produce and Consume are the pipelines, as YAML.
	Produce, Consume string
	// Env looks a variable up, "" for none: the pipelines' own (decisions.md 13).
	Env func(name string) string
	// Out takes the banner, the status line and the summary.
	Out *os.File
}

// Exit codes beside those of children (decisions.md 17).
const (
	exitFailure = 1
	exitAbort   = 130
)

// Error is an error with an exit code: 1 for a failure or sums that differ, 3 for
// data that is not stored yet, 130 for a second signal.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is what the command line library asks for.
func (e *Error) ExitCode() int { return e.Code }

// startLimit is how long a server may take to open its data; a broker reads
// whole segments after a kill (kafka.md: seconds for gigabytes).
const startLimit = 2 * time.Minute

// firstRowLimit is how long a run with an end waits for its first row.
const firstRowLimit = time.Minute

// Run carries out a demo. The end of ctx stops it in order: producer, what is in
// flight, consumer, summary, engine, broker. A value on abort kills everything at
// once. The error, if any, is an *Error; it is nil if every event produced is
// stored or a dead letter.
func Run(ctx context.Context, abort <-chan struct{}, c Config) error {
	begin := time.Now()
	p, err := settle(c)
	if err != nil {
		return &Error{exitFailure, err}
	}
	l, err := newLauncher(c.Program, p.folder.dir(logsDir))
	if err != nil {
		return &Error{exitFailure, errors.Join(err, p.folder.unlock())}
	}
	d := &demo{plan: p, begin: begin, screen: newScreen(c.Out), launcher: l}
	d.supervisor = newSupervisor(l, d.screen.say)
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	select {
	case err = <-done:
	case <-abort:
		l.killAll()
		err = &Error{exitAbort, errors.New("second signal: stopped at once; what was in flight is read again by the next run")}
	}
	l.close()
	_ = p.folder.unlock() // the kernel does so anyway, in a moment
	return err
}

// demo is one run.
type demo struct {
	plan
	begin      time.Time
	screen     *screen
	launcher   *launcher
	supervisor *supervisor

	broker, engine, consumer, producer, page *kept

	topicReader *topicReader
	tableReader *tableReader

	// before and base are the sums at the start: before is what earlier runs left in
	// the data folder, base what servers that are not ours held.
	before, base totals
	since        time.Time // the start by the table's clock
	firstRow     time.Duration
}

// run is the demo's life: start, watch, stop.
func (d *demo) run(ctx context.Context) error {
	err := d.start(ctx)
	if err != nil && ctx.Err() != nil {
		d.stop()
		d.screen.say("stopped before the first event was produced")
		return nil
	}
	if err == nil {
		err = d.watch(ctx)
	}
	if err != nil {
		d.stop()
		return &Error{exitFailure, err}
	}
	return d.finish()
}

// start brings everything up, as early as what it needs is there.
func (d *demo) start(ctx context.Context) error {
	d.screen.say(d.banner())
	var servers []*kept
	if d.ownClickHouse {
		d.engine = d.supervisor.keep(d.plan.engine())
		servers = append(servers, d.engine)
	}
	if d.ownKafka {
		d.broker = d.supervisor.keep(d.plan.broker())
		servers = append(servers, d.broker)
	}
	if err := served(ctx, startLimit, servers...); err != nil {
		return err
	}
	if err := d.launcher.once(ctx, d.plan.init()); err != nil {
		return err
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	d.consumer = d.supervisor.keep(d.plan.consumer())
	d.producer = d.supervisor.keep(d.plan.producer())
	if d.Page != "" {
		d.page = d.supervisor.keep(d.plan.page())
	}
	return nil
}

// connect opens the readers and notes what is there before this run.
func (d *demo) connect(ctx context.Context) (err error) {
	if d.topicReader, err = newTopicReader(d.Kafka, d.topic); err != nil {
		return err
	}
	if d.tableReader, err = newTableReader(d.login); err != nil {
		return err
	}
	if d.since, err = d.tableReader.now(ctx); err != nil {
		return fmt.Errorf("clickhouse %s: %w", d.ClickHouse, err)
	}
	there, err := d.sums(ctx)
	if err != nil {
		return err
	}
	if d.ownKafka && d.ownClickHouse {
		d.before = there
		return nil
	}
	there.produced -= there.lag // a backlog is stored by this run, so it counts
	d.base = there
	return nil
}

// sums reads the topic's end and all of the table's numbers.
func (d *demo) sums(ctx context.Context) (totals, error) {
	at, err := d.topicReader.position(ctx)
	if err != nil {
		return totals{}, err
	}
	t, err := d.tableReader.totals(ctx)
	t.produced, t.lag = at.end, at.lag()
	return t, err
}

// hurry is the grace of a pipeline whose servers may be gone: it would try to
// deliver until its own time limit, and what it holds is still in Kafka.
const hurry = 3 * time.Second

// stop ends what runs, in reverse order, without waiting for what is in flight.
func (d *demo) stop() {
	d.producer.stopWithin(hurry)
	d.consumer.stopWithin(hurry)
	d.close()
}

// close ends the servers, once nobody reads from them any more.
func (d *demo) close() {
	d.page.stop()
	if d.topicReader != nil {
		d.topicReader.close()
	}
	if d.tableReader != nil {
		d.tableReader.close()
	}
	d.engine.stop()
	d.broker.stop()
}

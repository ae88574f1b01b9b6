package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"

	"clickstream/internal/filtered"
	"clickstream/internal/pack"
	"clickstream/internal/process"
)

// orphanGrace is how long a pipeline whose parent has died may take to stop: the
// shutdown timeout of the schema and a little.
const orphanGrace = 35 * time.Second

// fatalGrace is how long Benthos may take to give up after a fatal error.
const fatalGrace = 3 * time.Second

// pipeline is what the command knows of the one pipeline it may be running.
type pipeline struct {
	logs   *logPipe
	env    *environment
	cancel context.CancelFunc

	running   atomic.Bool // the command line runs a pipeline at all
	started   atomic.Bool // its components were built: the configuration is right
	startedAt atomic.Pointer[time.Time]
	fatal     atomic.Pointer[error] // what a plugin said no retry can mend
	resources *service.Resources
	file      string // the pipeline's
	watches   bool   // and runs another in its place when it changes
}

func newPipeline(logs *logPipe, env *environment, cancel context.CancelFunc) *pipeline {
	return &pipeline{logs: logs, env: env, cancel: cancel}
}

// onRun is called once the command line turned out to run a pipeline.
func (p *pipeline) onRun(c *cli.Context) error {
	p.file = pipelineFile(c)
	p.watches = flagOf(c, "watcher")
	tuneGC()
	p.running.Store(true)
	process.OnParentDeath(func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(orphanGrace)
		os.Exit(exitFailure)
	})
	go p.watchFatal()
	return nil
}

// onConfig is called with the parsed configuration before anything is built.
func (p *pipeline) onConfig(conf *service.ParsedConfig) error {
	if err := p.env.failed.Load(); err != nil {
		return *err
	}
	p.resources = conf.Resources()
	if err := guardAPI(conf); err != nil {
		return err
	}
	if root, err := conf.FieldAny(); err == nil && !p.watches { // for as long as this process lives
		p.settle(root)
	}
	return nil
}

// settle decides what may be done because of what the whole pipeline is like.
func (p *pipeline) settle(root any) {
	config, ok := root.(map[string]any)
	if ok && pack.Fits(config) {
		_ = pack.Allow()
	}
	if ok && !pack.Buffered(config) {
		filtered.Allow()
	}
}

// onStart is called when every component has been built.
func (p *pipeline) onStart(summary *service.RunningStreamSummary) error {
	now := time.Now()
	p.started.Store(true)
	p.startedAt.Store(&now)
	if err := serveReadiness(p.resources, summary); err != nil {
		p.resources.Logger().With("error", err.Error()).
			Warn("readiness does not follow the servers: /ready tells only what Benthos knows")
	}
	return nil
}

// watchFatal stops the process on an error that no retry can mend. Nothing has
// been acknowledged that was not delivered, so there is nothing to drain.
func (p *pipeline) watchFatal() {
	err := <-process.Fatals()
	p.fatal.Store(&err)
	p.cancel()
	time.AfterFunc(fatalGrace, func() { os.Exit(p.exitCode(nil, exitFailure, nil)) })
}

// watchSignals makes a second signal end the process at once. The first one is
// left to whoever runs: Benthos or a subcommand, each of which stops gracefully.
func (p *pipeline) watchSignals(pipeline bool) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		first := time.Now()
		process.Stop()
		if pipeline {
			p.repeatEarly(signals)
			time.AfterFunc(strangerGrace, p.leaveStrangers)
		}
		awaitSecond(signals, first)
		p.logs.Close()
		fmt.Fprintln(os.Stderr, "clickstream: second signal: stopped at once")
		os.Exit(exitAbort)
	}()
}

// strangerGrace is how long a stop waits for a server that has not answered once.
const strangerGrace = 3 * time.Second

// leaveStrangers ends a stop that waits for nothing: what is on its way to a server
// that has never been there will not arrive, and Benthos would wait for three quarters
// of shutdown_timeout.
func (p *pipeline) leaveStrangers() {
	names := process.Unreached()
	if len(names) == 0 || p.fatal.Load() != nil {
		return
	}
	p.logs.Close()
	fmt.Fprintf(os.Stderr, "clickstream: stopped; %s has never answered, what was on its way there is not delivered\n", strings.Join(names, ", "))
	os.Exit(exitUnacked)
}

// awaitSecond returns at the second signal. What follows the first one within a moment
// is the same again: `timeout 30 clickstream ...` sends it to the process and to its group.
func awaitSecond(signals <-chan os.Signal, first time.Time) {
	for again := true; again; again = time.Since(first) < sameSignal {
		<-signals
	}
}

const sameSignal = 10 * time.Millisecond

// repeatEarly makes up for a first signal that came before Benthos listens for it,
// a moment after onStart: it would be lost, and the pipeline run on. Before onStart
// nothing has been acknowledged, so the process just ends. Right after it the
// signal is sent again; Benthos ignores a second one, and ours is taken here.
func (p *pipeline) repeatEarly(signals <-chan os.Signal) {
	came := time.Now()
	if start := p.startedAt.Load(); start != nil && came.Sub(*start) > benthosListens {
		return // it does listen
	}
	time.Sleep(benthosListens)
	switch start := p.startedAt.Load(); {
	case start == nil:
		p.logs.Close()
		os.Exit(exitOK)
	case came.Before(start.Add(benthosListens)):
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		<-signals
	}
}

// benthosListens is far above the microseconds from onStart to Benthos' handler.
const benthosListens = 100 * time.Millisecond

// stopCode is the code of a stop that Benthos found in order.
func (p *pipeline) stopCode() int {
	if !p.running.Load() || process.Unacked() == 0 {
		return exitOK
	}
	fmt.Fprintln(os.Stderr, "clickstream: stopped before everything was acknowledged; the rest will be read again at the next start")
	return exitUnacked
}

func isLint(args []string) bool {
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			return a == "lint"
		}
	}
	return false
}

// unknownCommand tells whether the command line starts with a word that is no
// command: Benthos says so itself and returns 1.
func unknownCommand(args []string) bool {
	return !strings.HasPrefix(args[1], "-") && !benthosCommands[args[1]]
}

var benthosCommands = map[string]bool{
	"run": true, "lint": true, "test": true, "list": true, "create": true, "echo": true,
	"blobl": true, "streams": true, "template": true, "help": true, "h": true,
}

// usageError tells whether the flag parser refused the command line.
func usageError(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "flag ") || strings.Contains(text, "flag provided but not defined") ||
		strings.HasPrefix(text, "invalid value") || strings.HasPrefix(text, "could not parse ") || strings.HasPrefix(text, "Required flag")
}

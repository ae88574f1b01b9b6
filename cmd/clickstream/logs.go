package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"clickstream/internal/logs"
)

// logPipe carries the log of a pipeline through a logs.Sampler to standard error.
// Benthos logs to what os.Stdout, or os.Stderr, is when it starts and offers no other
// place; so the end of a pipe stands there for that moment. What a pipeline itself
// writes to standard output never comes by.
type logPipe struct {
	once           sync.Once
	stdout, stderr *os.File // the real ones
	write          *os.File // what Benthos logs to
	done           chan struct{}
}

// startLogs puts the sampler in place if args run a pipeline; for any other
// command it does nothing. Benthos is to be given p.captured as its first option.
func startLogs(args []string) *logPipe {
	p := &logPipe{done: make(chan struct{})}
	if !runsPipeline(args) {
		return p
	}
	read, write, err := os.Pipe()
	if err != nil {
		return p // out of file descriptors: an unsampled log is the smaller harm
	}
	p.stdout, p.stderr, p.write = os.Stdout, os.Stderr, write
	os.Stdout, os.Stderr = write, write
	cli.OsExiter = func(code int) { p.Close(); os.Exit(code) }
	go func() {
		defer close(p.done)
		sampler := logs.NewSampler(p.stderr, time.Now)
		_, _ = io.Copy(sampler, read) // stderr is gone: there is nowhere left to say so
		_ = sampler.Close()
	}()
	return p
}

// captured puts the real files back, now that Benthos has taken where it will log to.
func (p *logPipe) captured(*service.CLIOptBuilder) {
	if p.write != nil {
		os.Stdout, os.Stderr = p.stdout, p.stderr
	}
}

// Close waits until everything logged so far has reached standard error. What Benthos
// logs later goes nowhere, so that the line which says why a process ends is its last.
func (p *logPipe) Close() {
	p.once.Do(func() {
		if p.write == nil {
			return
		}
		nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil || unix.Dup2(int(nowhere.Fd()), int(p.write.Fd())) != nil {
			_ = p.write.Close()
		}
		<-p.done
	})
}

// runsPipeline tells whether a command line runs a pipeline: `clickstream -c p.yaml`,
// `clickstream run p.yaml`, `clickstream streams ...`.
func runsPipeline(args []string) bool {
	if slices.ContainsFunc(args, func(a string) bool { return a == "--help" || a == "-h" || a == "--version" || a == "-v" }) {
		return false
	}
	return strings.HasPrefix(args[1], "-") || args[1] == "run" || args[1] == "streams"
}

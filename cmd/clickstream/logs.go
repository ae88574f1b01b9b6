package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"clickstream/internal/logs"
)

// logPipe carries the log of a pipeline through a logs.Sampler. Benthos writes to
// os.Stdout and offers no other place, so its end of a pipe stands there while a
// pipeline runs.
type logPipe struct {
	once   sync.Once
	stdout *os.File // the real one
	write  *os.File // what Benthos takes for it
	done   chan struct{}
}

// startLogs puts the sampler in place if args run a pipeline; for any other
// command it does nothing.
func startLogs(args []string) *logPipe {
	p := &logPipe{done: make(chan struct{})}
	if !runsPipeline(args) {
		return p
	}
	read, write, err := os.Pipe()
	if err != nil {
		return p // out of file descriptors: an unsampled log is the smaller harm
	}
	p.stdout, p.write = os.Stdout, write
	os.Stdout = write
	cli.OsExiter = func(code int) { p.Close(); os.Exit(code) }
	go func() {
		defer close(p.done)
		sampler := logs.NewSampler(p.stdout, time.Now)
		_, _ = io.Copy(sampler, read) // stdout is gone: there is nowhere left to say so
		_ = sampler.Close()
	}()
	return p
}

// Close waits until everything written so far has reached the real standard
// output, which it puts back in place.
func (p *logPipe) Close() {
	p.once.Do(func() {
		if p.write == nil {
			return
		}
		os.Stdout = p.stdout
		// Benthos may still be logging: that goes on, unsampled, to the real one.
		if unix.Dup2(int(p.stdout.Fd()), int(p.write.Fd())) != nil {
			_ = p.write.Close()
		}
		<-p.done
	})
}

// runsPipeline tells whether a command line runs a pipeline: `clickstream -c p.yaml`,
// `clickstream run p.yaml`, `clickstream streams ...`.
func runsPipeline(args []string) bool {
	return strings.HasPrefix(args[1], "-") || args[1] == "run" || args[1] == "streams"
}

// Command footprint prints what a process and all its children cost. `make
// bench-footprint` looks at a whole demo with it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"clickstream/bench/proc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := footprint(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "footprint:", err)
		os.Exit(1)
	}
}

// footprint prints what a process and its children cost: CPU as a share of one core,
// memory as the sum of their proportional set sizes; with --view, while somebody looks
// at the live page.
func footprint(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("footprint", flag.ContinueOnError)
	f.SetOutput(out)
	pid := f.Int("pid", 0, "the `process` whose tree is measured")
	after := f.Duration("after", 0, "wait this long first, until it runs evenly")
	window := f.Duration("for", time.Minute, "measure this long")
	every := f.Duration("every", 5*time.Second, "pause between two looks at the memory")
	view := f.String("view", "", "follow the live page's stream at this `URL` meanwhile, as a browser does")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *pid <= 0 || *window <= 0 || *every <= 0 || *after < 0 {
		return errors.New("want --pid of a process, --for and --every of more than 0, --after of 0s or more")
	}
	if err := pause(ctx, *after); err != nil {
		return err
	}
	leave := func() error { return nil }
	if *view != "" {
		var err error
		if leave, err = follow(ctx, *view); err != nil {
			return err
		}
	}
	c := &cost{root: *pid, known: map[identity]*account{}}
	start := time.Now()
	err := c.watch(ctx, *window, *every)
	if err := errors.Join(err, leave()); err != nil {
		return err
	}
	c.print(out, time.Since(start))
	return nil
}

// watch looks at the tree until the window is over.
func (c *cost) watch(ctx context.Context, window, every time.Duration) error {
	start := time.Now()
	for done := false; !done; {
		left := window - time.Since(start)
		done = left <= 0
		if err := c.look(); err != nil {
			return err
		}
		if err := pause(ctx, min(every, left)); err != nil {
			return err
		}
	}
	return nil
}

// follow starts a viewer of the live page, who stays until leave is called; that the
// page hung up before is an error then.
func follow(ctx context.Context, url string) (leave func() error, _ error) {
	ctx, stop := context.WithCancel(ctx)
	joined, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- view(ctx, url, joined) }()
	select {
	case <-joined:
		return func() error { stop(); return <-ended }, nil
	case err := <-ended:
		defer stop()
		return nil, cmp.Or(err, ctx.Err())
	}
}

// view reads the page's stream until ctx ends.
func view(ctx context.Context, url string, joined chan<- struct{}) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("--view: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("--view: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("--view: GET %s: %s", url, answer.Status)
	}
	close(joined)
	_, err = io.Copy(io.Discard, answer.Body)
	if ctx.Err() != nil {
		return nil // it left
	}
	return fmt.Errorf("--view: %s hung up: %w", url, cmp.Or(err, io.EOF))
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// identity is a process, even if its pid is used again later.
type identity struct {
	pid     int
	started uint64
}

// account is what one process has cost since the first look.
type account struct {
	name        string
	first, last time.Duration // CPU
	memory      int64         // bytes, at the last look
	most        int64
}

// cost sums a tree of processes over several looks.
type cost struct {
	root   int
	known  map[identity]*account
	looks  int
	memory int64 // bytes, sum over all looks
	most   int64
}

// look adds up the tree as it is now. A process that came since the last look has
// spent all of its CPU within the window; of one that has gone, the last look counts.
func (c *cost) look() error {
	processes, err := proc.Tree(c.root)
	if err != nil {
		return err
	}
	for _, a := range c.known {
		a.memory = 0 // unless it is still there
	}
	var sum int64
	for _, p := range processes {
		memory, err := proc.PSS(p.PID)
		if proc.Gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		a := c.known[identity{p.PID, p.Started}]
		if a == nil {
			a = &account{name: p.Name}
			if c.looks == 0 {
				a.first = p.CPU
			}
			c.known[identity{p.PID, p.Started}] = a
		}
		a.last, a.memory, a.most = p.CPU, memory, max(a.most, memory)
		sum += memory
	}
	c.looks++
	c.memory += sum
	c.most = max(c.most, sum)
	return nil
}

func (c *cost) print(out io.Writer, took time.Duration) {
	all := make([]*account, 0, len(c.known))
	var cpu time.Duration
	for _, a := range c.known {
		all = append(all, a)
		cpu += a.last - a.first
	}
	slices.SortFunc(all, func(a, b *account) int { return int(b.most - a.most) })
	for _, a := range all {
		fmt.Fprintf(out, "  %-32s %5.1f %% of a core, %6.1f MiB, at most %6.1f MiB\n",
			a.name, 100*(a.last-a.first).Seconds()/took.Seconds(), mib(a.memory), mib(a.most))
	}
	fmt.Fprintf(out, "footprint over %s: %.1f %% of a core, %.1f MiB on average, at most %.1f MiB (PSS of %d processes)\n",
		took.Round(time.Second), 100*cpu.Seconds()/took.Seconds(), mib(c.memory/int64(max(c.looks, 1))), mib(c.most), len(all))
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

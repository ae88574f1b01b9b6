// Command compare is the end-to-end bench: our pipelines, a loop written by hand and
// the Python way on the same broker, the same records and the same engine, in turns.
// docs/benchmarks.md holds what it wrote there last.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"clickstream/bench/stage"
)

// partitions of a topic, as `clickstream init` makes it.
const partitions = 3

type options struct {
	stage.Options
	events, rounds int
	quick, big     bool
	only           string
	floor          float64
	page           string
	start          time.Time
}

// say prints how far the bench is.
func (o options) say(format string, args ...any) {
	fmt.Printf("%6.1f s  %s\n", time.Since(o.start).Seconds(), fmt.Sprintf(format, args...))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o := options{start: time.Now()}
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.StringVar(&o.Repo, "repo", ".", "`folder` of the checkout")
	f.StringVar(&o.Data, "data", "", "`folder` for what the servers store; the system's for temporary files unless given")
	f.IntVar(&o.events, "events", 2_000_000, "`N` events in the topic")
	f.IntVar(&o.rounds, "rounds", 5, "`N` runs of each, of which the median counts")
	f.StringVar(&o.page, "write", "", "write the tables into this `page`, and the plots beside it")
	f.StringVar(&o.only, "only", "", "one `part`: kafka, embedded, sweep, scale; all unless given")
	f.BoolVar(&o.quick, "quick", false, "only consume.yaml against bench/limit, on the embedded broker unless --kafka")
	f.BoolVar(&o.Kafka, "kafka", false, "with --quick: on Apache Kafka")
	f.Float64Var(&o.floor, "floor", 0, "with --quick: fail below this `ratio` of rows per CPU-second")
	f.BoolVar(&o.big, "big", false, "only the cost of an event in a table of 100 million rows against an empty one: ten minutes, 6 GB")
	if err := f.Parse(args); err != nil {
		return err
	}
	if parts := slices.Concat(onKafka, onEmbedded); o.only != "" && !slices.Contains(parts, o.only) {
		return fmt.Errorf("--only: want one of %s, got %q", strings.Join(parts, ", "), o.only)
	}
	if o.rounds <= 0 || o.events <= 0 {
		return fmt.Errorf("--rounds and --events: want more than 0, got %d and %d", o.rounds, o.events)
	}
	switch {
	case o.quick:
		return quick(ctx, o)
	case o.big:
		return big(ctx, o)
	}
	return all(ctx, o)
}

// on opens a stage for f and closes it.
func on(ctx context.Context, o options, f func(*stage.Stage) error) (err error) {
	s, err := stage.Open(ctx, o.Options)
	defer func() { err = errors.Join(err, s.Close()) }()
	if err != nil {
		return err
	}
	broker := "embedded broker"
	if o.Kafka {
		broker = "Apache Kafka"
	}
	o.say("%s and engine are up", broker)
	return f(s)
}

// quick compares the two that the project is held to.
func quick(ctx context.Context, o options) error {
	return on(ctx, o, func(s *stage.Stage) error {
		t, err := cast{consumers: []player{limit, ours}}.play(ctx, s, o)
		if err != nil {
			return err
		}
		cpu, wall := t.ratio(ours, limit, perCPUSecond), t.ratio(ours, limit, perSecond)
		fmt.Printf("consume.yaml / bench/limit: %.2f of the rows per CPU-second (%.2f to %.2f), %.2f of the rows per second\n", cpu.Median, cpu.Low, cpu.High, wall.Median)
		if cpu.Median < o.floor {
			return fmt.Errorf("%.2f of the rows per CPU-second: want %.2f or more", cpu.Median, o.floor)
		}
		return nil
	})
}

// findings is all that the page says.
type findings struct {
	kafka, embedded turns
	loads           []load
	scaled          *scaled
	grown           *grown
}

// everybody is who takes turns on Kafka.
var everybody = cast{[]player{limit, ours, python}, []player{ceiling, produceOurs}}

// parts are what --only takes; each broker gets a stage of its own.
var onKafka, onEmbedded = []string{"kafka", "sweep", "scale"}, []string{"embedded"}

// all runs every part, or the only one that is wanted.
func all(ctx context.Context, o options) error {
	var found findings
	for _, parts := range [][]string{onKafka, onEmbedded} {
		if o.only != "" {
			parts = slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return part != o.only })
		}
		if len(parts) == 0 {
			continue
		}
		o.Kafka = parts[0] != onEmbedded[0]
		err := on(ctx, o, func(s *stage.Stage) error {
			for _, part := range parts {
				if err := found.run(ctx, s, o, part); err != nil {
					return fmt.Errorf("%s: %w", part, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return found.write(ctx, o)
}

// run runs one part.
func (f *findings) run(ctx context.Context, s *stage.Stage, o options, part string) (err error) {
	switch part {
	case "kafka":
		f.kafka, err = everybody.play(ctx, s, o)
	case "sweep":
		f.loads, err = sweep(ctx, s, []player{ours, limit, python}, rates(f.kafka), o.say)
	case "scale":
		f.scaled, err = scale(ctx, s, o)
	case "embedded": // Python costs the same here
		f.embedded, err = cast{[]player{limit, ours}, everybody.producers}.play(ctx, s, o)
	}
	return err
}

// rates are the loads to offer; the last one is 80 % of what a backlog drains at.
func rates(t turns) []int {
	list := []int{100, 1000, 10_000, 50_000, 100_000}
	if drain := t.of(ours, perSecond).Median; drain > 0 {
		list = append(list, int(0.8*drain/1000)*1000)
	}
	return list
}

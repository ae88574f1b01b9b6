// Command limit is what this machine can do without a framework: franz-go and
// ClickHouse's native protocol in a loop written by hand for one event and one table.
// `make bench` holds the pipelines against it, in the same run and on the same topic.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// gcPercent is the collector's setting unless GOGC says otherwise: the loop keeps its
// buffers, so a rarer collection costs little memory (docs/benchmarks.md).
const gcPercent = 400

const usage = `usage: limit consume|produce|fill [flags]
  consume  Kafka -> ClickHouse, in blocks of --block rows, a commit after each
  produce  ready-made records -> Kafka, as fast as franz-go can
  fill     events, each with its own id -> Kafka
Each has --help.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var c config
	f := flag.NewFlagSet(args[0], flag.ExitOnError)
	c.flags(f)
	_ = f.Parse(args[1:]) // ExitOnError
	switch args[0] {
	case "consume":
		return consume(ctx, c)
	case "produce":
		return produce(ctx, c, ready())
	case "fill":
		return produce(ctx, c, fresh(c.count))
	}
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
	return nil
}

type config struct {
	brokers, topic, group string
	address, database     string
	count, block          int
	flush                 string
}

func (c *config) flags(f *flag.FlagSet) {
	f.StringVar(&c.brokers, "kafka", env("KAFKA_BROKERS", "127.0.0.1:9092"), "`host:port` of a broker")
	f.StringVar(&c.topic, "topic", env("KAFKA_TOPIC", "clickstream"), "`name` of the topic")
	f.StringVar(&c.group, "group", "limit", "`name` of the consumer's group")
	f.StringVar(&c.address, "clickhouse", env("CLICKHOUSE_ADDR", "127.0.0.1:9000"), "`host:port`, native protocol")
	f.StringVar(&c.database, "database", env("CLICKHOUSE_DATABASE", "clickstream"), "`name` of the database; its table is events, without the constraint")
	f.IntVar(&c.count, "count", 0, "stop after `N` records; 0: at SIGTERM")
	f.IntVar(&c.block, "block", 100_000, "most `rows` of one insert")
	f.StringVar(&c.flush, "flush", "1s", "the longest that a block waits for its last row")
}

func env(name, def string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return def
}

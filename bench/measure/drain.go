package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// countPoll is the pause between two counts of the table; it is the error of the
// measured time.
const countPoll = 20 * time.Millisecond

type drainConfig struct {
	server
	brokers, topic, group string
	binary, pipelines     string
	fill                  int
	limit                 time.Duration
}

// drain starts the consumer on a backlog and prints how fast it is stored.
func drain(ctx context.Context, args []string, out io.Writer) error {
	var c drainConfig
	f := flag.NewFlagSet("drain", flag.ContinueOnError)
	f.SetOutput(out)
	c.flags(f)
	f.StringVar(&c.brokers, "kafka", env("KAFKA_BROKERS", "127.0.0.1:9092"), "`host:port,...` of the brokers")
	f.StringVar(&c.topic, "topic", env("KAFKA_TOPIC", "clickstream"), "`name` of the topic")
	f.StringVar(&c.group, "group", "clickstream-consumer", "`name` of the consumer's group")
	f.StringVar(&c.binary, "binary", "bin/clickstream", "the `program` to start")
	f.StringVar(&c.pipelines, "pipelines", "pipelines", "`folder` of produce.yaml and consume.yaml")
	f.IntVar(&c.fill, "fill", 0, "produce a backlog of `N` events first; 0 takes the one that is there")
	f.DurationVar(&c.limit, "limit", 10*time.Minute, "give up after this `time`")
	if err := parse(f, args); err != nil {
		return err
	}
	if c.fill < 0 || c.limit <= 0 {
		return &usageError{errors.New("--fill: want 0 or more; --limit: want more than 0s")}
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	if c.fill > 0 {
		if err := c.produce(ctx, out); err != nil {
			return err
		}
	}
	return c.measure(ctx, out)
}

// produce fills the topic as fast as the producer can.
func (c *drainConfig) produce(ctx context.Context, out io.Writer) error {
	start := time.Now()
	producer := c.pipeline(ctx, "produce.yaml", "-s", fmt.Sprintf("input.clickstream_simulator.count=%d", c.fill))
	if text, err := producer.CombinedOutput(); err != nil {
		return fmt.Errorf("producer: %w\n%s", err, tail(string(text)))
	}
	took := time.Since(start).Seconds()
	fmt.Fprintf(out, "produced %d events in %.2f s: %.0f a second, %s of CPU an event\n",
		c.fill, took, float64(c.fill)/took, cpuPer(producer, c.fill))
	return nil
}

// pipeline is one of the two pipelines as a user starts it.
func (c *drainConfig) pipeline(ctx context.Context, file string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.binary, append([]string{"-c", c.pipelines + "/" + file}, args...)...)
	cmd.Env = append(os.Environ(), "KAFKA_BROKERS="+c.brokers, "KAFKA_TOPIC="+c.topic, "CLICKHOUSE_ADDR="+c.address,
		"CLICKHOUSE_DATABASE="+c.database, "CLICKHOUSE_USER="+c.user, "RATE=0", "HTTP_ADDRESS=127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

func (c *drainConfig) measure(ctx context.Context, out io.Writer) error {
	backlog, err := c.backlog(ctx)
	if err != nil {
		return err
	}
	if backlog == 0 {
		return fmt.Errorf("topic %s holds nothing that group %s has not read: give --fill", c.topic, c.group)
	}
	conn, err := c.open()
	if err != nil {
		return err
	}
	defer conn.Close()
	before, err := stored(ctx, conn)
	if err != nil {
		return err
	}

	var log strings.Builder
	consumer := c.pipeline(ctx, "consume.yaml")
	consumer.Stdout, consumer.Stderr = &log, &log
	start := time.Now()
	if err := consumer.Start(); err != nil {
		return err
	}
	counting, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	stopped := make(chan error, 1)
	go func() {
		err := consumer.Wait()
		enough(fmt.Errorf("consumer ended early (%s)", ended(err))) // no harm once the rows are in
		stopped <- err
	}()
	r, err := await(counting, conn, before, backlog)
	_ = consumer.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	if stop := <-stopped; err == nil && stop != nil {
		err = fmt.Errorf("consumer: %w", stop)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(log.String()))
	}
	all, running := r.last.Sub(start).Seconds(), r.last.Sub(r.first).Seconds()
	fmt.Fprintf(out, "drained %d events in %.2f s: %.0f rows a second from the consumer's start\n", backlog, all, float64(backlog)/all)
	fmt.Fprintf(out, "first rows after %.2f s (%d of them); then %.0f rows a second\n", r.first.Sub(start).Seconds(), r.firstRows, float64(backlog-r.firstRows)/max(running, countPoll.Seconds()))
	fmt.Fprintf(out, "new parts of events: %d, %.2f a second; consumer: %s of CPU an event, at most %d MiB\n",
		r.parts.count(), float64(r.parts.count())/all, cpuPer(consumer, int(backlog)), maxRSS(consumer)>>20)
	if r.rows != backlog {
		fmt.Fprintf(out, "rows: %d, want %d: rows were there twice\n", r.rows, backlog)
	}
	return nil
}

// ended says in words how a program ended.
func ended(err error) string {
	if err == nil {
		return "exit code 0"
	}
	return err.Error()
}

// backlog returns how many records the group has not read yet.
func (c *drainConfig) backlog(ctx context.Context) (int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.brokers, ",")...))
	if err != nil {
		return 0, fmt.Errorf("kafka %s: %w", c.brokers, err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(ctx, c.topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("topic %s: %w", c.topic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, c.topic)
	if err != nil {
		return 0, fmt.Errorf("topic %s: %w", c.topic, err)
	}
	commits, err := admin.FetchOffsets(ctx, c.group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, fmt.Errorf("group %s: %w", c.group, err)
	}
	var sum int64
	ends.Each(func(end kadm.ListedOffset) {
		from, _ := starts.Lookup(end.Topic, end.Partition)
		if commit, ok := commits.Lookup(end.Topic, end.Partition); ok && commit.At > from.Offset {
			from.Offset = commit.At
		}
		sum += end.Offset - from.Offset
	})
	return sum, nil
}

// drained is how the rows came in.
type drained struct {
	first, last     time.Time // when a count first saw some, and all
	firstRows, rows int64
	parts           rate
}

// await counts until the backlog is stored.
func await(ctx context.Context, conn driver.Conn, before, backlog int64) (r drained, err error) {
	tick := time.NewTicker(countPoll)
	defer tick.Stop()
	parts := partCounter{conn, "events"}
	for {
		highest, err := parts.highest(ctx)
		if err != nil {
			return r, fmt.Errorf("count of parts: %w", err)
		}
		r.parts.look(highest, time.Now())
		now, err := stored(ctx, conn)
		if err != nil {
			return r, err
		}
		r.rows, r.last = now-before, time.Now()
		if r.rows > 0 && r.first.IsZero() {
			r.first, r.firstRows = r.last, r.rows
		}
		if r.rows >= backlog {
			highest, err := parts.highest(ctx)
			r.parts.look(highest, time.Now())
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, fmt.Errorf("%d of %d events stored: %w", r.rows, backlog, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// stored counts events and dead letters.
func stored(ctx context.Context, conn driver.Conn) (int64, error) {
	var n uint64
	err := conn.QueryRow(ctx, "SELECT (SELECT count() FROM events) + (SELECT count() FROM dead_letters FINAL)").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count of rows: %w", err)
	}
	return int64(n), nil
}

// cpuPer is the CPU time of an ended process per event.
func cpuPer(cmd *exec.Cmd, events int) time.Duration {
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()) / time.Duration(max(events, 1))
}

// maxRSS is the most memory an ended process had, in bytes; Linux counts in KiB,
// macOS in bytes.
func maxRSS(cmd *exec.Cmd) int64 {
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss * rssUnit
}

// tail is the end of a program's output, for an error.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

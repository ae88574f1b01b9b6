// Command verify measures `clickstream verify` over a large table: time, its own
// memory, and by how much the engine grows. bench/verify/run starts the servers.
//
// The rows are made by the engine itself (INSERT SELECT), under the stream of a topic
// whose group has committed as many offsets. The topic is empty: a table without
// faults makes verify ask Kafka for ranges only, whatever the log holds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/bench/proc"
	"clickstream/internal/event"
)

const (
	topic      = "clickstream"
	group      = "clickstream-consumer"
	partitions = 3
	insertRows = 1_000_000 // below a block's limit
)

func main() {
	fillOnly := flag.Bool("fill", false, "fill the table, and measure nothing")
	binary := flag.String("binary", "", "`PATH` of clickstream")
	pid := flag.Int("engine-pid", 0, "`PROCESS` of the engine")
	rows := flag.Int64("rows", 100_000_000, "`NUMBER` of rows")
	flag.Parse()
	var err error
	if *fillOnly {
		err = prepare(context.Background(), *rows)
	} else {
		err = run(*binary, *pid, append([]string{"verify"}, flag.Args()...))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/verify:", err)
		os.Exit(1)
	}
}

// prepare makes the rows, and the group's offsets that cover them.
func prepare(ctx context.Context, rows int64) error {
	rows -= rows % (partitions * insertRows)
	stream, err := commit(ctx, rows/partitions)
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{os.Getenv("CLICKHOUSE_ADDR")}, Auth: clickhouse.Auth{Database: "clickstream"}, ReadTimeout: time.Hour})
	if err != nil {
		return err
	}
	defer conn.Close()
	return fill(ctx, conn, stream, rows)
}

// commit has the group commit so many offsets of each partition, and returns the
// topic's stream.
func commit(ctx context.Context, offset int64) (uint64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("KAFKA_BROKERS")))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	m, err := admin.Metadata(ctx, topic)
	if err != nil {
		return 0, err
	}
	offsets := kadm.Offsets{}
	for p := range int32(partitions) {
		offsets.AddOffset(topic, p, offset, -1)
	}
	return event.Stream(m.Cluster, m.Topics[topic].ID), admin.CommitAllOffsets(ctx, group, offsets)
}

// fillSQL makes rows as the simulator's look: random ids, most of one type, time and
// offsets in step.
const fillSQL = `INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset, _owner)
SELECT generateUUIDv4(), if(number %% 100 < 90, 'page_view', if(number %% 100 < 97, 'add_to_cart', 'purchase')),
	concat('user_', toString(cityHash64(number) %% 100000)), concat('prod_', toString(cityHash64(number, 1) %% 500)), toDecimal64(9.99, 4),
	toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMillisecond(intDiv(number, 20)) AS made, made + toIntervalMillisecond(3),
	%d, toInt32(number %% %d), intDiv(number, %[2]d), 1
FROM numbers(%d, %d) SETTINGS max_threads = 1`

func fill(ctx context.Context, conn driver.Conn, stream uint64, rows int64) error {
	// The views that refresh themselves would look at every row of the last minutes, and
	// all rows are.
	for _, change := range []string{
		"ALTER TABLE events DROP CONSTRAINT current_owner",
		"DROP VIEW IF EXISTS find_repeated SYNC", "DROP VIEW IF EXISTS count_events SYNC", "DROP VIEW IF EXISTS measure_delay SYNC",
	} {
		if err := conn.Exec(ctx, change); err != nil {
			return err
		}
	}
	for from := int64(0); from < rows; from += insertRows {
		if err := conn.Exec(ctx, fmt.Sprintf(fillSQL, stream, partitions, from, insertRows)); err != nil {
			return err
		}
	}
	for { // merges would be measured too
		var running uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM system.merges").Scan(&running); err != nil || running == 0 {
			return err
		}
		time.Sleep(time.Second)
	}
}

// run runs one verification and prints what it took.
func run(binary string, pid int, args []string) error {
	before, err := resident(pid)
	if err != nil {
		return err
	}
	idle, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	stop, peak := make(chan struct{}), make(chan int64)
	go watch(pid, stop, peak)
	cmd := exec.Command(binary, args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	close(stop)
	growth := <-peak - before
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	fmt.Printf("clickstream %s: %s\n", strings.Join(args, " "), lines[len(lines)-1])
	if err != nil {
		return err
	}
	busy, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	own := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	fmt.Printf("  %.1f s, own memory %d MiB, the engine grows by %d MiB from %d MiB and works for %.1f s of CPU\n",
		took.Seconds(), own>>10, growth>>10, before>>10, (busy - idle).Seconds())
	return nil
}

// watch sends the highest resident memory of a process until stop, in KiB.
func watch(pid int, stop <-chan struct{}, peak chan<- int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var highest int64
	for {
		select {
		case <-tick.C:
			now, _ := resident(pid) // a process that is gone adds nothing
			highest = max(highest, now)
		case <-stop:
			peak <- highest
			return
		}
	}
}

// resident is a process' resident memory in KiB.
func resident(pid int) (kib int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rest, &kib)
	return kib, err
}

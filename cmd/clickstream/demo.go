package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"clickstream/internal/connect"
	"clickstream/internal/demo"
	"clickstream/pipelines"
)

// demoCommand runs broker, engine, both pipelines and the live page on this machine.
func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "Run everything on this machine: simulator, Kafka broker, ClickHouse engine, both pipelines, live page",
		Description: "Starts `clickstream broker`, `engine`, `init` and `page`, and the two pipelines, as child processes; starts\n" +
			"again what dies; shows what flows; stops in order and sums up. With KAFKA_BROKERS or CLICKHOUSE_ADDR\n" +
			"in the environment it uses those servers and starts none of its own.\n\n" +
			"Exit codes: 0 every event produced is stored or a dead letter, 1 failure or sums that differ,\n" +
			"3 events not stored yet, 130 second Ctrl-C.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Value: "./data", Usage: "the `FOLDER` of records, rows and logs; one demo at a time"},
			&cli.BoolFlag{Name: "reset", Usage: "start empty: delete what earlier demos made in the data folder, and nothing else"},
			&cli.IntFlag{Name: "rate", Value: 100, EnvVars: []string{"RATE"}, Usage: "events a second; 0 is as fast as it can"},
			&cli.DurationFlag{Name: "for", Usage: "stop by itself `TIME` after the first row (e.g. 30s); 0 runs until Ctrl-C"},
			&cli.StringFlag{Name: "kafka", Value: "127.0.0.1:9092", Usage: "loopback `ADDRESS` of the broker; port 0 picks a free one"},
			&cli.StringFlag{Name: "clickhouse", Value: "127.0.0.1:9000", Usage: "loopback `ADDRESS` of the engine, native protocol"},
			&cli.StringFlag{Name: "clickhouse-http", Value: "127.0.0.1:8123", Usage: "loopback `ADDRESS` of the engine, HTTP"},
			&cli.BoolFlag{Name: "password", Usage: "ask clients of the engine for a password: drawn once, kept in the data folder (CLICKHOUSE_PASSWORD sets one)"},
			&cli.StringFlag{Name: "page", Value: "127.0.0.1:3000", Usage: "loopback `ADDRESS` of the live page; empty for none"},
		},
		Action: runDemo,
	}
}

func runDemo(c *cli.Context) error {
	if err := checkDemo(c); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return cli.Exit("demo: own path: "+err.Error(), exitFailure)
	}
	ctx, abort := demoSignals(c.Context)
	return demo.Run(ctx, abort, demo.Config{
		Program: program, Version: version,
		Data: c.String("data"), Reset: c.Bool("reset"), Rate: c.Int("rate"), For: c.Duration("for"),
		Kafka: c.String("kafka"), ClickHouse: c.String("clickhouse"), ClickHouseHTTP: c.String("clickhouse-http"), Page: c.String("page"), Password: c.Bool("password"),
		Produce: pipelines.Produce, Consume: pipelines.Consume,
		Env: func(name string) string { value, _ := secret(name); return value },
		Out: os.Stdout,
	})
}

// checkDemo refuses a command line that cannot be meant.
func checkDemo(c *cli.Context) error {
	if err := flagsOnly(c); err != nil {
		return err
	}
	switch {
	case c.Int("rate") < 0:
		return cli.Exit("--rate: want 0 or more events a second", exitUsage)
	case c.Duration("for") < 0:
		return cli.Exit("--for: want a time such as 30s", exitUsage)
	}
	for _, variable := range []string{"KAFKA_BROKERS", "CLICKHOUSE_ADDR"} {
		if value, _ := secret(variable); value != "" {
			if _, err := connect.Addresses(value); err != nil {
				return cli.Exit("demo: "+variable+" in the environment: "+err.Error(), exitConfig)
			}
		}
	}
	for flag, variable := range map[string]string{"kafka": "KAFKA_BROKERS", "clickhouse": "CLICKHOUSE_ADDR", "clickhouse-http": "CLICKHOUSE_ADDR"} {
		if value, _ := secret(variable); value != "" && c.IsSet(flag) {
			return cli.Exit("--"+flag+" says where to start a server, "+variable+" in the environment says to use another: unset one of them", exitUsage)
		}
	}
	return nil
}

// demoSignals returns a context that the first signal ends and a channel that the
// second one closes. They are taken from the pipeline's own handler, which would
// end this process and leave the children to find out.
func demoSignals(parent context.Context) (context.Context, <-chan struct{}) {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it stays ignored
		stops = append(stops, syscall.SIGHUP)
	}
	signal.Reset(stops...)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stops...)
	ctx, cancel := context.WithCancel(parent)
	abort := make(chan struct{})
	go func() {
		<-signals
		first := time.Now()
		cancel()
		awaitSecond(signals, first)
		close(abort)
	}()
	return ctx, abort
}

package main

import (
	"fmt"
	"os/signal"
	"syscall"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"clickstream/internal/broker"
	"clickstream/internal/process"
)

// brokerCommand serves Kafka's protocol from a folder until it is told to stop.
func brokerCommand() *cli.Command {
	return &cli.Command{
		Name:  "broker",
		Usage: "Run a Kafka broker for this machine, keeping its records in a folder",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Value: "./data/broker", Usage: "the `FOLDER` of the log; one broker at a time"},
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:9092", Usage: "loopback `ADDRESS` to serve on"},
			&cli.StringFlag{Name: "disk-cap", Value: "8GiB", Usage: "`SIZE` of the folder at which records are refused until readers catch up; unread records are never deleted"},
			&cli.BoolFlag{Name: "fsync", Value: true, Usage: "acknowledge records (acks=all) only when they are on disk, so that a power cut takes none of them"},
		},
		Action: runBroker,
	}
}

func runBroker(c *cli.Context) error {
	if err := flagsOnly(c); err != nil {
		return err
	}
	size, err := humanize.ParseBytes(c.String("disk-cap"))
	if err != nil || size < minDiskCap || size > maxDiskCap {
		return cli.Exit(fmt.Sprintf("--disk-cap: want a size from 64MiB to 1PiB, such as 8GiB, got %q", c.String("disk-cap")), exitUsage)
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	process.OnParentDeath(stop)

	syscall.Umask(0o077) // the log is nobody else's to read
	b, err := broker.Start(broker.Config{
		Dir: c.String("data"), Listen: c.String("listen"), DiskCap: int64(size), NoFlush: !c.Bool("fsync"),
	})
	if err != nil {
		return cli.Exit("broker: "+err.Error(), exitFailure)
	}
	fmt.Fprintln(c.App.Writer, "broker ready on", b.Addr())
	<-ctx.Done()
	return b.Close()
}

// A cap below a few segments would refuse everything, one above a petabyte is a
// slip of the keyboard.
const (
	minDiskCap = 64 << 20
	maxDiskCap = 1 << 50
)

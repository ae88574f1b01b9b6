package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/urfave/cli/v2"

	"clickstream/internal/process"
	tables "clickstream/internal/schema"
	"clickstream/internal/verify"
)

// verifyCommand proves that every record is exactly one row or one dead letter.
func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:  "verify",
		Usage: "Prove that every record of the topic is exactly one row or one dead letter; say where it is not",
		Description: "Holds the topic's offsets against the coordinates in the tables `events` and `dead_letters`, up to the\n" +
			"offsets that the group has committed when it starts, so consumers and producers may run. Reads only.\n\n" +
			"missing     records of the log that are neither row nor dead letter\n" +
			"duplicated  rows and dead letters beyond one for each record\n" +
			"gaps        offsets above the lowest stored one that are neither, and that the log has deleted\n" +
			"altered     records whose row says something else: event id and a checksum of the stored fields, compared for a\n" +
			"            sample and the newest day (for ten seconds at most), or with --content for all\n" +
			"lag         offsets above the committed one: nothing is said of them\n\n" +
			"Absent offsets are read from Kafka: those of transaction marks, compacted records and tombstones are no faults.\n" +
			"What lies below the lowest stored offset and the log's start cannot be told from what never was. What\n" +
			"the tables' retention may have deleted is left out; --since leaves out more, for a table that is younger\n" +
			"than the topic. Rows that were deleted by hand are missing.\n\n" +
			"Passwords come from CLICKHOUSE_PASSWORD and KAFKA_PASSWORD, or from the files that\n" +
			"CLICKHOUSE_PASSWORD_FILE and KAFKA_PASSWORD_FILE name; never from the command line.\n\n" +
			"Exit codes: 0 every record is exactly one, 1 it is not or could not be proven, 2 usage, 78 a setting.",
		Flags: append(connectionFlags(),
			text("group", "KAFKA_GROUP", "clickstream-consumer", "`NAME` of the consumer group whose committed offsets count"),
			&cli.TimestampFlag{Name: "since", Layout: time.RFC3339, Usage: "leave out what is older than `TIME`, such as 2026-01-15T00:00:00Z"},
			&cli.DurationFlag{Name: "wait", Usage: "how long to wait for servers that do not answer yet, and for the group to commit what the topic holds now"},
			&cli.BoolFlag{Name: "no-event-ids", Usage: "do not count events that are in the topic twice: that takes most of the time on a large table"},
			&cli.BoolFlag{Name: "content", Usage: "compare the content of all records that the log holds, not of a sample and the newest day only"},
			&cli.BoolFlag{Name: "no-content", Usage: "compare no content: for a pipeline that changes events on their way"},
			&cli.BoolFlag{Name: "json", Usage: "print the answer as JSON"},
		),
		Action: runVerify,
	}
}

// connectionFlags are those of init that say where the servers are.
func connectionFlags() []cli.Flag {
	notOurs := []string{"dead-letters-topic", "partitions", "replication", "events-retention", "dead-letters-retention", "wait"}
	return slices.DeleteFunc(append(kafkaFlags(), clickhouseFlags()...), func(f cli.Flag) bool {
		return slices.Contains(notOurs, f.Names()[0])
	})
}

func runVerify(c *cli.Context) error {
	if err := flagsOnly(c); err != nil {
		return err
	}
	if c.Duration("wait") < 0 {
		return cli.Exit(fmt.Sprintf("verify: --wait: want 0s or more, got %s", c.Duration("wait")), exitUsage)
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	process.OnParentDeath(stop)

	report, err := verifyNow(ctx, c)
	var bad *tables.ConfigError
	switch {
	case errors.As(err, &bad):
		return cli.Exit("verify: "+err.Error(), exitConfig)
	case err != nil:
		return cli.Exit("verify: "+err.Error(), exitFailure)
	}
	if err := printReport(c, report); err != nil {
		return cli.Exit("verify: "+err.Error(), exitFailure)
	}
	if !report.Exact {
		return cli.Exit("", exitFailure) // the report says why
	}
	return nil
}

// verifyNow connects to both servers and has them verified.
func verifyNow(ctx context.Context, c *cli.Context) (*verify.Report, error) {
	k, ch, err := connections(c)
	if err != nil {
		return nil, &tables.ConfigError{Err: err}
	}
	settings := verify.Settings{
		Topic: textOf(c, "topic"), Group: textOf(c, "group"), Database: textOf(c, "database"),
		Wait: c.Duration("wait"), EventIDs: !c.Bool("no-event-ids"),
	}
	switch {
	case c.Bool("content"):
		settings.Content = verify.AllContent
	case c.Bool("no-content"):
		settings.Content = verify.NoContent
	}
	if since := c.Timestamp("since"); since != nil {
		settings.Since = *since
	}
	if err := tables.CheckTopic(settings.Topic); err != nil {
		return nil, &tables.ConfigError{Err: fmt.Errorf("--topic: %w", err)}
	}
	if err := tables.CheckDatabase(settings.Database); err != nil {
		return nil, &tables.ConfigError{Err: err}
	}
	patience := tables.Patience{
		Until: time.Now().Add(settings.Wait),
		Say:   func(line string) { fmt.Fprintln(c.App.ErrWriter, line) },
	}
	kafka, err := k.Open(ctx, patience, kgo.ClientID("clickstream-verify"))
	if err != nil {
		return nil, err
	}
	defer kafka.Close()
	conn, err := ch.Open(ctx, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return verify.Run(ctx, kafka, conn, settings)
}

// connections are the servers' addresses and logins.
func connections(c *cli.Context) (k tables.Kafka, ch tables.ClickHouse, err error) {
	k = tables.Kafka{
		Brokers: textOf(c, "brokers"), TLS: tlsOf(c, "kafka-tls"),
		Mechanism: textOf(c, "kafka-sasl-mechanism"), User: textOf(c, "kafka-user"),
	}
	ch = tables.ClickHouse{Addresses: textOf(c, "clickhouse"), User: textOf(c, "user"), TLS: tlsOf(c, "clickhouse-tls")}
	if k.Password, err = secret("KAFKA_PASSWORD"); err != nil {
		return k, ch, err
	}
	ch.Password, err = secret("CLICKHOUSE_PASSWORD")
	return k, ch, err
}

func printReport(c *cli.Context, report *verify.Report) error {
	if !c.Bool("json") {
		return report.WriteText(c.App.Writer)
	}
	encoder := json.NewEncoder(c.App.Writer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

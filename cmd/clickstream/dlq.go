package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/urfave/cli/v2"

	"clickstream/internal/deadletters"
	"clickstream/internal/event"
	"clickstream/internal/process"
	tables "clickstream/internal/schema"
)

// dlqCommand looks at the dead letters and sends them through the pipeline again.
func dlqCommand() *cli.Command {
	return &cli.Command{
		Name:  "dlq",
		Usage: "List, show and count dead letters, send them through the pipeline again, or drop them (docs/dead-letters.md)",
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return cli.Exit(fmt.Sprintf("dlq: want list, stats, show, replay or drop, got %q", c.Args().First()), exitUsage)
			}
			return cli.Exit("dlq: want list, stats, show, replay or drop; `clickstream dlq --help` says more", exitUsage)
		},
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "One line for each letter, and nothing of its content",
				Flags: dlqFlags(filterFlags(), jsonFlag("a JSON object in a line for each letter"),
					&cli.BoolFlag{Name: "all", Usage: "replayed and dropped letters too"}),
				Action: dlqAction(listLetters),
			},
			{
				Name: "stats", Usage: "How many letters there are by reason and field, and whether topic and table agree",
				Flags: dlqFlags(filterFlags(), jsonFlag("JSON"), tableFlags(),
					&cli.BoolFlag{Name: "no-table", Usage: "do not ask ClickHouse"}),
				Action: dlqAction(countLetters),
			},
			{
				Name: "show", Usage: "Headers and bytes of one letter, with what is at fault marked", ArgsUsage: "PARTITION:OFFSET",
				Flags:  dlqFlags(&cli.BoolFlag{Name: "raw", Usage: "print the bytes as they are, and nothing else"}),
				Action: dlqAction(showLetter),
			},
			{
				Name: "replay", Usage: "Send open letters through the pipeline again; a letter is sent once, however often this runs",
				Flags:  dlqFlags(filterFlags(), batchFlag(), originTopicFlag(), dryRunFlags()),
				Action: dlqAction(replayLetters),
			},
			{
				Name: "drop", Usage: "Mark open letters as dropped: they are not replayed any more; topic and table keep them",
				Flags: dlqFlags(filterFlags(), batchFlag(),
					&cli.BoolFlag{Name: "purge", Usage: "then delete from the topic what lies before the first open letter of each partition, whatever the filter"},
					&cli.BoolFlag{Name: "yes", Usage: "do it; without it, only say what would be dropped"}),
				Action: dlqAction(dropLetters),
			},
		},
	}
}

// dlqFlags are those of every subcommand and, one or a list at a time, its own.
func dlqFlags(more ...any) []cli.Flag {
	flags := slices.DeleteFunc(kafkaFlags(), func(f cli.Flag) bool {
		return slices.Contains([]string{"topic", "partitions", "replication"}, f.Names()[0])
	})
	flags = append(flags, &cli.DurationFlag{Name: "wait", Usage: "how long to wait for servers that do not answer yet"})
	for _, f := range more {
		switch f := f.(type) {
		case []cli.Flag:
			flags = append(flags, f...)
		case cli.Flag:
			flags = append(flags, f)
		}
	}
	return flags
}

func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "reason", Usage: "only letters of this `CODE`, such as bad_time; stranger for those that are not ours; may be repeated"},
		&cli.StringSliceFlag{Name: "field", Usage: "only letters with this `FIELD` at fault; may be repeated"},
		&cli.TimestampFlag{Name: "since", Layout: time.RFC3339, Usage: "only letters written at `TIME` or later, such as 2026-01-15T00:00:00Z"},
		&cli.TimestampFlag{Name: "until", Layout: time.RFC3339, Usage: "only letters written before `TIME`"},
		&cli.IntFlag{Name: "partition", Usage: "only letters of records of this partition `NUMBER`"},
		&cli.IntFlag{Name: "limit", Usage: "at most this `NUMBER` of letters; 0 is all"},
	}
}

func tableFlags() []cli.Flag {
	notOurs := []string{"events-retention", "dead-letters-retention", "wait"}
	return slices.DeleteFunc(clickhouseFlags(), func(f cli.Flag) bool { return slices.Contains(notOurs, f.Names()[0]) })
}

func jsonFlag(what string) cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print " + what} }

func batchFlag() cli.Flag {
	return &cli.IntFlag{Name: "batch", Value: 500, Usage: "`NUMBER` of letters in one transaction"}
}

func originTopicFlag() cli.Flag {
	return text("topic", "KAFKA_TOPIC", "clickstream", "`NAME` of the topic for events; only letters of its records are sent, and to it")
}

// dlqRun is one subcommand under way.
type dlqRun struct {
	*cli.Context
	ctx     context.Context
	letters string // topic
	filter  deadletters.Filter
}

// errUsage is an error of the command line.
type errUsage struct{ error }

// dlqAction runs a subcommand and turns its error into the exit code.
func dlqAction(work func(*dlqRun) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		process.OnParentDeath(stop)
		run := &dlqRun{Context: c, ctx: ctx, letters: textOf(c, "dead-letters-topic")}
		err := run.parse()
		if err == nil {
			err = work(run)
		}
		if err == nil {
			return nil
		}
		code := exitFailure
		var bad *tables.ConfigError
		switch {
		case errors.As(err, &errUsage{}):
			code = exitUsage
		case errors.As(err, &bad):
			code = exitConfig
		case errors.Is(err, deadletters.ErrStopped):
			code = exitUnacked
		}
		return cli.Exit("dlq "+c.Command.Name+": "+err.Error(), code)
	}
}

// parse reads the flags that subcommands share.
func (r *dlqRun) parse() error {
	if r.Command.Name != "show" && r.Args().Present() {
		return errUsage{fmt.Errorf("want flags only, got %q", r.Args().First())}
	}
	for _, name := range []string{"partition", "limit"} {
		if r.Int(name) < 0 {
			return errUsage{fmt.Errorf("--%s: want 0 or more, got %d", name, r.Int(name))}
		}
	}
	if r.Duration("wait") < 0 {
		return errUsage{fmt.Errorf("--wait: want 0s or more, got %s", r.Duration("wait"))}
	}
	if err := tables.CheckTopic(r.letters); err != nil {
		return &tables.ConfigError{Err: fmt.Errorf("--dead-letters-topic: %w", err)}
	}
	f := deadletters.Filter{Reasons: r.StringSlice("reason"), Fields: r.StringSlice("field"), Limit: r.Int("limit")}
	for _, reason := range f.Reasons {
		if !deadletters.CheckReason(reason) {
			return errUsage{fmt.Errorf("--reason: want %s, got %q", reasonNames(), reason)}
		}
	}
	if r.IsSet("partition") {
		p := r.Int("partition")
		f.Partition = &p
	}
	if t := r.Timestamp("since"); t != nil {
		f.Since = *t
	}
	if t := r.Timestamp("until"); t != nil {
		f.Until = *t
	}
	r.filter = f
	return nil
}

func reasonNames() string {
	var names []string
	for _, m := range event.Reasons() {
		names = append(names, string(m.Reason))
	}
	return strings.Join(names, ", ") + " or " + deadletters.StrangerReason
}

func (r *dlqRun) patience() tables.Patience {
	return tables.Patience{Until: time.Now().Add(r.Duration("wait")), Say: r.say}
}

// say prints a line for people, beside what scripts read.
func (r *dlqRun) say(line string) { fmt.Fprintln(r.App.ErrWriter, line) }

func (r *dlqRun) printJSON(v any) error {
	encoder := json.NewEncoder(r.App.Writer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func (r *dlqRun) open(more ...kgo.Opt) (*kgo.Client, error) {
	k, _, err := connections(r.Context)
	if err != nil {
		return nil, &tables.ConfigError{Err: err}
	}
	return k.Open(r.ctx, r.patience(), append(more, kgo.ClientID("clickstream-dlq"))...)
}

// read opens the topic of dead letters and reads it.
func (r *dlqRun) read() (*deadletters.Book, error) {
	client, err := r.open()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return deadletters.Read(r.ctx, client, r.letters)
}

// openDatabase connects to ClickHouse. Whoever calls it closes the connection.
func (r *dlqRun) openDatabase() (conn driver.Conn, database string, err error) {
	database = textOf(r.Context, "database")
	if err := tables.CheckDatabase(database); err != nil {
		return nil, "", &tables.ConfigError{Err: err}
	}
	_, ch, err := connections(r.Context)
	if err != nil {
		return nil, "", &tables.ConfigError{Err: err}
	}
	conn, err = ch.Open(r.ctx, r.patience())
	return conn, database, err
}

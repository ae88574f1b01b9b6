package main

import (
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"clickstream/internal/process"
	tables "clickstream/internal/schema"
)

// initCommand makes topics and tables, and upgrades the tables of earlier releases.
func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "Create or upgrade the Kafka topics and the ClickHouse tables; running it again changes nothing",
		Description: "Passwords come from CLICKHOUSE_PASSWORD and KAFKA_PASSWORD, or from the files that\n" +
			"CLICKHOUSE_PASSWORD_FILE and KAFKA_PASSWORD_FILE name; never from the command line.\n" +
			"With CLICKHOUSE_WRITER_PASSWORD it makes user clickstream_writer, who stores rows, and with\n" +
			"GRAFANA_CLICKHOUSE_PASSWORD user grafana, who only reads (or ..._FILE, as above).",
		Flags:  append(kafkaFlags(), clickhouseFlags()...),
		Action: runInit,
	}
}

func kafkaFlags() []cli.Flag {
	return []cli.Flag{
		text("brokers", "KAFKA_BROKERS", "127.0.0.1:9092", "`HOST:PORT,...` of the Kafka brokers"),
		text("topic", "KAFKA_TOPIC", "clickstream", "`NAME` of the topic for events"),
		text("dead-letters-topic", "KAFKA_DEAD_LETTERS_TOPIC", "clickstream-dead-letters", "`NAME` of the topic for records that cannot be stored"),
		&cli.IntFlag{Name: "partitions", EnvVars: []string{"KAFKA_PARTITIONS"}, Value: 3, Usage: "`NUMBER` of partitions of a new topic for events"},
		&cli.IntFlag{Name: "replication", EnvVars: []string{"KAFKA_REPLICATION"}, Value: -1, Usage: "`NUMBER` of copies of a new topic; -1 is the cluster's default"},
		&cli.BoolFlag{Name: "kafka-tls", EnvVars: []string{"KAFKA_TLS"}, Usage: "encrypt connections to Kafka"},
		text("kafka-tls-ca", "KAFKA_TLS_CA", "", "PEM `FILE` of the authorities to trust (default: the system's)"),
		text("kafka-tls-cert", "KAFKA_TLS_CERT", "", "PEM `FILE` of the client's certificate"),
		text("kafka-tls-key", "KAFKA_TLS_KEY", "", "PEM `FILE` of the client's key"),
		text("kafka-sasl-mechanism", "KAFKA_SASL_MECHANISM", "", "`NAME`: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
		text("kafka-user", "KAFKA_USER", "", "`NAME` to log in with"),
	}
}

func clickhouseFlags() []cli.Flag {
	return []cli.Flag{
		text("clickhouse", "CLICKHOUSE_ADDR", "127.0.0.1:9000", "`HOST:PORT,...` of ClickHouse, native protocol"),
		text("database", "CLICKHOUSE_DATABASE", "clickstream", "`NAME` of the database"),
		text("user", "CLICKHOUSE_USER", "default", "`NAME` to log in with"),
		&cli.BoolFlag{Name: "clickhouse-tls", EnvVars: []string{"CLICKHOUSE_TLS"}, Usage: "encrypt connections to ClickHouse"},
		text("clickhouse-tls-ca", "CLICKHOUSE_TLS_CA", "", "PEM `FILE` of the authorities to trust (default: the system's)"),
		text("clickhouse-tls-cert", "CLICKHOUSE_TLS_CERT", "", "PEM `FILE` of the client's certificate"),
		text("clickhouse-tls-key", "CLICKHOUSE_TLS_KEY", "", "PEM `FILE` of the client's key"),
		text("events-retention", "EVENTS_RETENTION", "90d", "`DAYS` that events stay, such as 90d; 0 keeps them for ever"),
		text("dead-letters-retention", "DEAD_LETTERS_RETENTION", "90d", "`DAYS` that dead letters stay, such as 90d; 0 keeps them for ever"),
		&cli.DurationFlag{Name: "wait", Value: time.Minute, Usage: "how long to wait for servers that do not answer yet"},
	}
}

// text is a flag that an environment variable stands in for; an empty variable
// counts as unset (see textOf).
func text(name, env, def, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, EnvVars: []string{env}, Value: def, Usage: usage, DefaultText: def}
}

func runInit(c *cli.Context) error {
	if err := flagsOnly(c); err != nil {
		return err
	}
	settings, err := initSettings(c)
	if err != nil {
		return cli.Exit("init: "+err.Error(), exitConfig)
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	process.OnParentDeath(stop)

	err = tables.Init(ctx, settings)
	var bad *tables.ConfigError
	switch {
	case errors.As(err, &bad):
		return cli.Exit("init: "+err.Error(), exitConfig)
	case err != nil:
		return cli.Exit("init: "+err.Error(), exitFailure)
	}
	return nil
}

func initSettings(c *cli.Context) (tables.Settings, error) {
	events, err := tables.ParseRetention(textOf(c, "events-retention"))
	if err != nil {
		return tables.Settings{}, fmt.Errorf("--events-retention: %w", err)
	}
	letters, err := tables.ParseRetention(textOf(c, "dead-letters-retention"))
	if err != nil {
		return tables.Settings{}, fmt.Errorf("--dead-letters-retention: %w", err)
	}
	s := tables.Settings{
		Kafka: tables.Kafka{
			Brokers:   textOf(c, "brokers"),
			TLS:       tlsOf(c, "kafka-tls"),
			Mechanism: textOf(c, "kafka-sasl-mechanism"),
			User:      textOf(c, "kafka-user"),
		},
		ClickHouse:  tables.ClickHouse{Addresses: textOf(c, "clickhouse"), User: textOf(c, "user"), TLS: tlsOf(c, "clickhouse-tls")},
		Topic:       textOf(c, "topic"),
		DeadLetters: textOf(c, "dead-letters-topic"),
		Partitions:  c.Int("partitions"),
		Replication: c.Int("replication"),
		Options:     tables.Options{Database: textOf(c, "database"), EventsRetention: events, DeadLettersRetention: letters},
		Wait:        c.Duration("wait"),
		Say:         func(line string) { fmt.Fprintln(c.App.Writer, line) },
	}
	if s.Kafka.Password, err = secret("KAFKA_PASSWORD"); err != nil {
		return s, err
	}
	if s.ClickHouse.Password, err = secret("CLICKHOUSE_PASSWORD"); err != nil {
		return s, err
	}
	if s.Writer, err = userOf("clickstream_writer", "CLICKHOUSE_WRITER_PASSWORD"); err != nil {
		return s, err
	}
	s.Reader, err = userOf("grafana", "GRAFANA_CLICKHOUSE_PASSWORD")
	return s, err
}

// userOf is a user that init makes if its password is given.
func userOf(name, variable string) (tables.User, error) {
	password, err := secret(variable)
	return tables.User{Name: name, Password: password}, err
}

// textOf returns a flag's value, or its default where the environment variable is
// there and empty, as compose files hand on variables that nobody set.
func textOf(c *cli.Context, name string) string {
	if value := c.String(name); value != "" {
		return value
	}
	for _, f := range c.Command.Flags {
		if s, ok := f.(*cli.StringFlag); ok && s.Name == name {
			return s.DefaultText
		}
	}
	return ""
}

func tlsOf(c *cli.Context, name string) tables.TLS {
	return tables.TLS{Enabled: c.Bool(name), CA: textOf(c, name+"-ca"), Cert: textOf(c, name+"-cert"), Key: textOf(c, name+"-key")}
}

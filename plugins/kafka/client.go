// Package kafka reads from and writes to Apache Kafka, and whatever speaks its
// protocol, with franz-go: input and output `kafka`.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"clickstream/internal/connect"

	// Lint rules are Bloblang, parsed when this package starts: its methods must be
	// registered by then, and Go starts packages in the order of their imports.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
)

// client is how to reach a cluster: what input and output have in common.
type client struct {
	brokers        []string
	topic          string
	clientID       string
	tls            *tls.Config // nil: plain text
	mechanism      sasl.Mechanism
	user           string
	dialTimeout    time.Duration
	requestTimeout time.Duration
	metadataMaxAge time.Duration
}

// clientFields are the fields that input and output share, in their order.
func clientFields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewStringListField("brokers").
			Description("Addresses of the brokers to ask first, as host:port. An entry may itself be a list with commas, so that one environment variable can hold them all.").
			Example([]string{"127.0.0.1:9092"}).Example([]string{"${KAFKA_BROKERS:127.0.0.1:9092}"}),
		service.NewStringField("topic").
			Description("The topic. It must exist: `clickstream init` creates the topics of this project.").
			LintRule(`root = if this.re_match("^[a-zA-Z0-9._-]{1,249}$") { [] } else { ["topic: want 1 to 249 of the characters a-z A-Z 0-9 . _ -"] }`),
		service.NewStringField("client_id").Default("clickstream").Advanced().
			Description("The name under which brokers log and count this client."),
		service.NewTLSToggledField("tls"),
		service.NewStringField("tls_server_name").Default("").Advanced().
			Description("The name that the broker's certificate must carry. Default: the host in its address."),
		service.NewObjectField("sasl",
			service.NewStringEnumField("mechanism", "none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512").Default("none").
				Description("How to log in. `PLAIN` sends the password as it is: use it over TLS only."),
			service.NewStringField("user").Default("").Description("The user's name."),
			service.NewStringField("password").Default("").Secret().Description("The user's password."),
		).Advanced().Description("Login. A refused login stops the process at the start; later on it is tried again."),
		durationField("dial_timeout", "5s").Advanced().
			Description("How long opening a connection may take."),
		durationField("request_timeout", "10s").Advanced().
			Description("How long a broker may take to answer, beyond the time that the request itself asks it to wait. After that the connection is made anew."),
		durationField("metadata_max_age", "10s").Advanced().
			Description("How often to ask for the topic's partitions and their leaders: a partition that is added is read, and written to, after at most so long."),
	}
}

// durationField is a duration that `lint` checks too: Benthos itself would only
// notice a bad one when it builds the plugin.
func durationField(name, def string) *service.ConfigField {
	return service.NewDurationField(name).Default(def).LintRule(
		`root = if this.parse_duration().catch(-1) < 0 { ["` + name + `: want a duration such as 50ms, 5s or 1m"] }`)
}

// parseClient reads the shared fields; its errors name the field.
func parseClient(pc *service.ParsedConfig) (client, error) {
	c := client{}
	var err error
	if c.brokers, err = parseBrokers(pc); err != nil {
		return c, err
	}
	if c.topic, err = pc.FieldString("topic"); err != nil {
		return c, err
	}
	if c.topic == "" {
		return c, errors.New("topic: want a name, got none")
	}
	if c.clientID, err = pc.FieldString("client_id"); err != nil {
		return c, err
	}
	if err = errors.Join(
		duration(pc, "dial_timeout", &c.dialTimeout),
		duration(pc, "request_timeout", &c.requestTimeout),
		duration(pc, "metadata_max_age", &c.metadataMaxAge),
	); err != nil {
		return c, err
	}
	if c.tls, err = parseTLS(pc); err != nil {
		return c, err
	}
	return c, c.parseSASL(pc.Namespace("sasl"))
}

// duration reads a duration above zero into to; its error names the field.
func duration(pc *service.ParsedConfig, name string, to *time.Duration) error {
	d, err := pc.FieldDuration(name)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%s: want more than 0, got %s", name, d)
	}
	*to = d
	return err
}

// size reads a count of at least least into to; its error names the field.
func size[T int | int32 | int64](pc *service.ParsedConfig, name string, least int, to *T) error {
	n, err := pc.FieldInt(name)
	if err == nil && (n < least || int(T(n)) != n) {
		err = fmt.Errorf("%s: want %d or more, got %d", name, least, n)
	}
	*to = T(n)
	return err
}

func parseBrokers(pc *service.ParsedConfig) ([]string, error) {
	entries, err := pc.FieldStringList("brokers")
	if err != nil {
		return nil, err
	}
	brokers, err := connect.Addresses(entries...)
	if err != nil {
		return nil, fmt.Errorf("brokers: %w", err)
	}
	return brokers, nil
}

func parseTLS(pc *service.ParsedConfig) (*tls.Config, error) {
	conf, enabled, err := pc.FieldTLSToggled("tls")
	if err != nil || !enabled {
		return nil, err
	}
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	conf.ServerName, err = pc.FieldString("tls_server_name")
	return conf, err
}

func (c *client) parseSASL(pc *service.ParsedConfig) error {
	mechanism, err := pc.FieldString("mechanism")
	if err != nil || mechanism == "none" {
		return err
	}
	password, err := pc.FieldString("password")
	if err != nil {
		return err
	}
	if c.user, err = pc.FieldString("user"); err != nil {
		return err
	}
	if c.user == "" || password == "" {
		return fmt.Errorf("sasl: %s wants user and password, one of them is empty", mechanism)
	}
	switch login := (scram.Auth{User: c.user, Pass: password}); mechanism {
	case "PLAIN":
		c.mechanism = plain.Auth{User: c.user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		c.mechanism = login.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		c.mechanism = login.AsSha512Mechanism()
	default:
		return fmt.Errorf("sasl.mechanism: want none, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got %q", mechanism)
	}
	return nil
}

// options are franz-go's for every connection to the cluster.
func (c *client) options(log *limiter) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.brokers...),
		kgo.ClientID(c.clientID),
		kgo.WithLogger(kgoLog{log}),
		kgo.RequestTimeoutOverhead(c.requestTimeout),
		kgo.DisableClientMetrics(),
		// A leader that moved shows in the metadata; the default minimum age of 5 s
		// would be the pause after a broker restart.
		kgo.MetadataMinAge(min(250*time.Millisecond, c.metadataMaxAge)),
		kgo.MetadataMaxAge(c.metadataMaxAge),
		kgo.RetryBackoffFn(retryBackoff),
	}
	dialer := &net.Dialer{Timeout: c.dialTimeout}
	if c.tls == nil {
		opts = append(opts, kgo.Dialer(dialer.DialContext))
	} else {
		opts = append(opts, kgo.Dialer(c.dialTLS(dialer)))
	}
	if c.mechanism != nil {
		opts = append(opts, kgo.SASL(c.mechanism))
	}
	return opts
}

// dialTLS is kgo.DialTLSConfig with our dial timeout around both handshakes.
func (c *client) dialTLS(dialer *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conf := c.tls.Clone()
		if host, _, err := net.SplitHostPort(address); err == nil && conf.ServerName == "" {
			conf.ServerName = host
		}
		return (&tls.Dialer{NetDialer: dialer, Config: conf}).DialContext(ctx, network, address)
	}
}

// retryBackoff is how long franz-go waits before its n-th retry of a request: a
// local broker is back within a second or two, and a hot loop helps nobody.
func retryBackoff(n int) time.Duration {
	return min(100*time.Millisecond<<min(n, 5), time.Second)
}

// warn says at each start what is unsafe about the connection.
func (c *client) warn(log *service.Logger) {
	if c.tls != nil && c.tls.InsecureSkipVerify {
		log.Warn("tls.skip_cert_verify is set: anyone on the way can read and change the traffic")
	}
	if c.tls == nil && c.mechanism != nil && c.mechanism.Name() == "PLAIN" {
		log.Warn("sasl.mechanism PLAIN without tls: the password crosses the network in clear text")
	}
}

// name is what errors, logs and the health check call the cluster.
func (c *client) name() string { return "kafka " + strings.Join(c.brokers, ",") }

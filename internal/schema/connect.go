package schema

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"clickstream/internal/connect"
)

// TLS is how a connection is encrypted. The zero value is plain text.
type TLS struct {
	Enabled bool
	// CA is a PEM file of the authorities to trust; empty: those of the system.
	CA string
	// Cert and Key are PEM files of a client certificate; empty: none.
	Cert, Key string
}

// config reads the files; its errors name them.
func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		if t.CA != "" || t.Cert != "" || t.Key != "" {
			return nil, errors.New("certificates are given, but TLS is off: switch it on")
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("certificate authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authority: want PEM certificates in %q, got none", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Kafka is how to reach the brokers.
type Kafka struct {
	// Brokers is a list with commas of host:port.
	Brokers string
	TLS     TLS
	// Mechanism is empty, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism      string
	User, Password string
}

// dialTimeout is how long opening a connection may take.
const dialTimeout = 5 * time.Second

// options are franz-go's; its errors are the configuration's.
func (k Kafka) options() ([]kgo.Opt, error) {
	brokers, err := connect.Addresses(k.Brokers)
	if err != nil {
		return nil, fmt.Errorf("kafka brokers: %w", err)
	}
	opts := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID("clickstream-init"), kgo.DisableClientMetrics(), kgo.DialTimeout(dialTimeout)}
	config, err := k.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("kafka tls: %w", err)
	}
	if config != nil {
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	if k.Mechanism == "" {
		return opts, nil
	}
	if k.User == "" || k.Password == "" {
		return nil, fmt.Errorf("kafka sasl: %s wants KAFKA_USER and KAFKA_PASSWORD, one of them is empty", k.Mechanism)
	}
	switch login := (scram.Auth{User: k.User, Pass: k.Password}); strings.ToUpper(k.Mechanism) {
	case "PLAIN":
		return append(opts, kgo.SASL(plain.Auth{User: k.User, Pass: k.Password}.AsMechanism())), nil
	case "SCRAM-SHA-256":
		return append(opts, kgo.SASL(login.AsSha256Mechanism())), nil
	case "SCRAM-SHA-512":
		return append(opts, kgo.SASL(login.AsSha512Mechanism())), nil
	}
	return nil, fmt.Errorf("kafka sasl mechanism: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got %q", k.Mechanism)
}

// ClickHouse is how to reach the server, over its native protocol.
type ClickHouse struct {
	// Addresses is a list with commas of host:port; the first that answers is used.
	Addresses      string
	User, Password string
	TLS            TLS
}

// options are clickhouse-go's; its errors are the configuration's.
func (c ClickHouse) options() (*clickhouse.Options, error) {
	list, err := connect.Addresses(c.Addresses)
	if err != nil {
		return nil, fmt.Errorf("clickhouse addresses: %w", err)
	}
	config, err := c.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("clickhouse tls: %w", err)
	}
	return &clickhouse.Options{
		Addr:        list,
		Auth:        clickhouse.Auth{Username: c.User, Password: c.Password},
		TLS:         config,
		DialTimeout: dialTimeout,
		// A statement that changes a large table may take its time.
		ReadTimeout: 10 * time.Minute,
	}, nil
}

// openClickHouse connects and waits until the server answers.
func openClickHouse(ctx context.Context, o *clickhouse.Options, w waiter) (driver.Conn, error) {
	conn, err := clickhouse.Open(o)
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	err = w.await(ctx, "ClickHouse at "+strings.Join(o.Addr, ","), conn.Ping, refused)
	if err == nil {
		return conn, nil
	}
	if refused(err) {
		err = fmt.Errorf("%w%s", err, nextLogin)
	}
	return nil, errors.Join(err, conn.Close())
}

// openKafka connects and waits until a broker answers.
func openKafka(ctx context.Context, opts []kgo.Opt, brokers string, w waiter) (*kgo.Client, error) {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	ping := func(ctx context.Context) error {
		err := client.Ping(ctx)
		if errors.Is(err, io.EOF) { // all that a client sees of some refusals
			err = fmt.Errorf("%w: the broker hung up; it may want TLS, or another login", err)
		}
		return err
	}
	if err := w.await(ctx, "Kafka at "+brokers, ping, loginFailed); err != nil {
		client.Close()
		return nil, explainKafka(err)
	}
	return client, nil
}

// loginFailed tells whether a broker answered that it refuses this login.
func loginFailed(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState)
}

package schema

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/internal/engine/enginetest"
)

// patience is far above what any of it takes on an idle machine.
const patience = 30 * time.Second

// testSettings are those of a user who gives addresses only.
func testSettings(t *testing.T, kafka, database string, said *[]string) Settings {
	t.Helper()
	return Settings{
		Kafka:       Kafka{Brokers: kafka},
		ClickHouse:  ClickHouse{Addresses: enginetest.Start(t).Native, User: "default"},
		Topic:       "clickstream",
		DeadLetters: "clickstream-dead-letters",
		Partitions:  3,
		Replication: -1,
		Options:     Options{Database: database, EventsRetention: 90, DeadLettersRetention: 90},
		Wait:        patience,
		Say:         func(line string) { *said = append(*said, line) },
	}
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Compose starts everything at once: init waits for servers, and says so once each.
func TestInitWaitsForServers(t *testing.T) {
	_, db := newDatabase(t, "waits")
	var said []string
	s := testSettings(t, freeAddress(t), db, &said)
	s.ClickHouse.Addresses = freeAddress(t)
	s.Say = func(line string) {
		said = append(said, line)
		switch { // each server starts once init has said that it waits for it
		case strings.HasPrefix(line, "waiting up to 30s for Kafka at "+s.Kafka.Brokers):
			newBroker(t, s.Kafka.Brokers)
		case strings.HasPrefix(line, "waiting up to ") && strings.Contains(line, " for ClickHouse at "+s.ClickHouse.Addresses):
			enginetest.StartOwn(t, enginetest.Options{Native: s.ClickHouse.Addresses})
		}
	}
	if err := Init(t.Context(), s); err != nil {
		t.Fatalf("Init: %v\nsaid %q", err, said)
	}
	if got := len(said); got != 5 || !strings.HasSuffix(said[len(said)-1], newestText(t)) {
		t.Errorf("said\n got %q\nwant two waits, two topics and the tables", said)
	}
	said = nil
	if err := Init(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(said, "\n"), nothingToDo(t); got != want {
		t.Errorf("second time\n got %s\nwant %s", got, want)
	}
}

func TestInitGivesUp(t *testing.T) {
	_, db := newDatabase(t, "gives_up")
	var said []string
	s := testSettings(t, freeAddress(t), db, &said)
	s.Wait = 0
	err := Init(t.Context(), s)
	want := "Kafka at " + s.Kafka.Brokers + " does not answer: "
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "; start it, correct its address, or wait longer with --wait") {
		t.Errorf("Init without brokers\n got %v\nwant %s...", err, want)
	}
	if len(said) != 0 {
		t.Errorf("said\n got %q\nwant nothing: there was no wait", said)
	}

	s.Wait = patience
	ctx, cancel := context.WithCancel(t.Context())
	s.Say = func(string) { cancel() } // Ctrl-C while it waits
	if err := Init(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("Init after Ctrl-C: got %v, want %v", err, context.Canceled)
	}
}

func TestInitRefusedByServers(t *testing.T) {
	sasl, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "ann", "right"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sasl.Close)
	refuseLogins(sasl)
	server, authority := certificates(t)
	encrypted, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(encrypted.Close)
	locked := enginetest.StartOwn(t, enginetest.Options{User: "ann", Password: "right"})

	for name, tc := range map[string]struct {
		change func(*Settings)
		want   string // empty: it works
	}{
		"kafka wrong password": {func(s *Settings) {
			s.Kafka = Kafka{Brokers: sasl.ListenAddrs()[0], Mechanism: "SCRAM-SHA-256", User: "bob", Password: "wrong"}
		}, "; check KAFKA_SASL_MECHANISM, KAFKA_USER, and KAFKA_PASSWORD or KAFKA_PASSWORD_FILE"},
		"kafka right password": {func(s *Settings) {
			s.Kafka = Kafka{Brokers: sasl.ListenAddrs()[0], Mechanism: "scram-sha-256", User: "ann", Password: "right"}
		}, ""},
		"kafka unknown authority": {func(s *Settings) {
			s.Kafka = Kafka{Brokers: encrypted.ListenAddrs()[0], TLS: TLS{Enabled: true}}
		}, "certificate signed by unknown authority"},
		"kafka known authority": {func(s *Settings) {
			s.Kafka = Kafka{Brokers: encrypted.ListenAddrs()[0], TLS: TLS{Enabled: true, CA: authority}}
		}, ""},
		"clickhouse wrong password": {func(s *Settings) {
			s.ClickHouse = ClickHouse{Addresses: locked.Native, User: "ann", Password: "wrong"}
		}, "; check --user, and CLICKHOUSE_PASSWORD or CLICKHOUSE_PASSWORD_FILE"},
		"clickhouse right password": {func(s *Settings) {
			s.ClickHouse = ClickHouse{Addresses: locked.Native, User: "ann", Password: "right"}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, db := newDatabase(t, "refused")
			var said []string
			s := testSettings(t, newBroker(t, "127.0.0.1:0"), db, &said)
			tc.change(&s)
			err := Init(t.Context(), s)
			if tc.want == "" && err != nil {
				t.Errorf("Init: got %v, want no error", err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("Init\n got %v\nwant ...%s", err, tc.want)
			}
			if strings.Contains(strings.Join(said, " "), "waiting") {
				t.Errorf("said\n got %q\nwant no wait for what no wait mends", said)
			}
		})
	}
}

// refuseLogins answers unknown users as Apache Kafka does; kfake would hang up.
func refuseLogins(c *kfake.Cluster) {
	c.ControlKey(kmsg.SASLAuthenticate.Int16(), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !bytes.Contains(request.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes, []byte("n=bob")) {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		response.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return response, nil, true
	})
}

// certificates returns a server's TLS for 127.0.0.1, and the file of the authority
// that signed it.
func certificates(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, path
}

func TestInitChecksSettings(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"topic":        {func(s *Settings) { s.Topic = "a b" }, `--topic: want 1 to 249 of the characters a-z A-Z 0-9 . _ -, got "a b"`},
		"same topic":   {func(s *Settings) { s.DeadLetters = s.Topic }, `--dead-letters-topic: want another topic than --topic, got "clickstream" for both`},
		"partitions":   {func(s *Settings) { s.Partitions = 0 }, "--partitions: want 1 to 10000, got 0"},
		"replication":  {func(s *Settings) { s.Replication = 0 }, "--replication: want 1 to 100, or -1 for the cluster's default, got 0"},
		"wait":         {func(s *Settings) { s.Wait = -1 }, "--wait: want 0s or more, got -1ns"},
		"database":     {func(s *Settings) { s.Options.Database = "" }, "database: want a name of 1 to 200 bytes, got 0"},
		"no broker":    {func(s *Settings) { s.Kafka.Brokers = " , " }, "kafka brokers: want at least one host:port, got none"},
		"broker":       {func(s *Settings) { s.Kafka.Brokers = "localhost" }, `kafka brokers: want host:port, got "localhost", which has no port`},
		"address":      {func(s *Settings) { s.ClickHouse.Addresses = "http://a:8123" }, "clickhouse addresses: want host:port, not a URL; user, password and protocol have fields of their own: write a:8123"},
		"mechanism":    {func(s *Settings) { s.Kafka.Mechanism, s.Kafka.User, s.Kafka.Password = "GSSAPI", "u", "p" }, `kafka sasl mechanism: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got "GSSAPI"`},
		"no password":  {func(s *Settings) { s.Kafka.Mechanism, s.Kafka.User = "PLAIN", "u" }, "kafka sasl: PLAIN wants KAFKA_USER and KAFKA_PASSWORD, one of them is empty"},
		"tls off":      {func(s *Settings) { s.Kafka.TLS.CA = empty }, "kafka tls: certificates are given, but TLS is off: switch it on"},
		"no such file": {func(s *Settings) { s.ClickHouse.TLS = TLS{Enabled: true, CA: "absent.pem"} }, "clickhouse tls: certificate authority: open absent.pem: no such file or directory"},
		"empty file":   {func(s *Settings) { s.ClickHouse.TLS = TLS{Enabled: true, CA: empty} }, `clickhouse tls: certificate authority: want PEM certificates in "` + empty + `", got none`},
		"half a pair":  {func(s *Settings) { s.ClickHouse.TLS = TLS{Enabled: true, Cert: empty} }, "clickhouse tls: client certificate: open : no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			s := testSettings(t, "127.0.0.1:1", "never_made", &said)
			tc.change(&s)
			err := Init(t.Context(), s)
			var bad *ConfigError
			if !errors.As(err, &bad) || err.Error() != tc.want {
				t.Errorf("Init\n got %v\nwant %s", err, tc.want)
			}
		})
	}
}

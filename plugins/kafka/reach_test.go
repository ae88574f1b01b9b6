package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startBrokerAt starts, or starts again, a broker with its log in dir.
func startBrokerAt(t *testing.T, port int, dir string) *kfake.Cluster {
	t.Helper()
	return startBroker(t, kfake.Ports(port), kfake.DataDir(dir))
}

func healthOf(name string) error { return process.Health()[name] }

func TestBrokerComesLate(t *testing.T) {
	port := freePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	in, out := newInput(t, addr, ""), newOutput(t, addr, "")
	type result struct {
		who string
		err error
	}
	connected := make(chan result, 2)
	ctx := deadline(t)
	go func() { connected <- result{"input", in.Connect(ctx)} }()
	go func() { connected <- result{"output", out.Connect(ctx)} }()
	for _, name := range []string{in.health(), out.health} {
		eventually(t, name+" to report", func() bool { return healthOf(name) != nil })
		if got := healthOf(name).Error(); !strings.Contains(got, addr) || !strings.Contains(got, "clickstream broker") {
			t.Errorf("health of %s\n got %q\nwant the address and the next step", name, got)
		}
	}
	startBroker(t, kfake.Ports(port))
	for range 2 {
		if r := <-connected; r.err != nil {
			t.Errorf("%s: %v", r.who, r.err)
		}
	}
	for _, name := range []string{in.health(), out.health} {
		if err := healthOf(name); err != nil {
			t.Errorf("health of %s: %v", name, err)
		}
	}
	_, _ = in.Close(context.Background()), out.Close(context.Background())
	if _, there := process.Health()[in.health()]; there {
		t.Error("health is still reported after Close")
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	in := newInput(t, fmt.Sprintf("127.0.0.1:%d", freePort(t)), "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Connect(ctx) }()
	eventually(t, "the first attempt", func() bool { return healthOf(in.health()) != nil })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	_ = in.Close(context.Background())
}

func TestBrokerGoesAndComesBack(t *testing.T) {
	port, dir := freePort(t), t.TempDir()
	broker := startBrokerAt(t, port, dir)
	addr := addresses(broker)
	in, out := startInput(t, addr, ""), startOutput(t, addr, "key_field: user_id")
	if err := out.WriteBatch(deadline(t), visits(30, 3)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for n < 30 {
		g := read(t, in)
		n += len(g.messages)
		g.answer(t, nil)
	}
	broker.Close()
	written := make(chan error, 1)
	go func() { written <- out.WriteBatch(context.Background(), visits(30, 3)) }()
	eventually(t, "both sides to notice", func() bool {
		return healthOf(in.health()) != nil && healthOf(out.health) != nil
	})
	startBrokerAt(t, port, dir)
	if err := <-written; err != nil {
		t.Fatalf("write across the restart: %v", err)
	}
	for n < 60 {
		g := read(t, in)
		n += len(g.messages)
		g.answer(t, nil)
	}
	eventually(t, "both sides to recover", func() bool {
		return healthOf(in.health()) == nil && healthOf(out.health) == nil
	})
}

func TestTopicIsMissing(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	in := newInput(t, addr, "")
	in.config.topic = "later"
	done := make(chan error, 1)
	go func() { done <- in.Connect(deadline(t)) }()
	eventually(t, "the report", func() bool { return healthOf(in.health()) != nil })
	if got := healthOf(in.health()).Error(); !strings.Contains(got, "clickstream init") || !strings.Contains(got, `"later"`) {
		t.Errorf("got %q, want the topic and how to create it", got)
	}
	if err := broker.CreateTopic("later", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = in.Close(context.Background())
}

func TestLogin(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			broker := startBroker(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "ann", "secret"))
			yaml := fmt.Sprintf("sasl: {mechanism: %s, user: ann, password: ", mechanism)
			startOutput(t, addresses(broker), yaml+"secret}")
			startInput(t, addresses(broker), yaml+"secret}")
			wantWaits(t, addresses(broker), yaml+"guess}", "sasl.password") // kfake hangs up on a wrong password
			broker.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				broker.KeepControl() // Kafka answers
				resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return resp, nil, true
			})
			wantFatal(t, newOutput(t, addresses(broker), yaml+"guess}"), `user "ann" was refused: check sasl.user and sasl.password`)
			wantFatal(t, newInput(t, addresses(broker), yaml+"guess}"), `user "ann" was refused: check sasl.user and sasl.password`)
		})
	}
}

// connector is an input or an output.
type connector interface {
	Connect(context.Context) error
	Close(context.Context) error
}

// wantFatal connects and wants the process to be told to stop, with a text that
// tells what to do and holds no secret.
func wantFatal(t *testing.T, c connector, want string) {
	t.Helper()
	defer c.Close(context.Background())
	err := c.Connect(deadline(t))
	var wait *service.ErrBackOff
	if !errors.As(err, &wait) || wait.Wait != time.Minute {
		t.Errorf("got %v, want an error that waits a minute", err)
	}
	select {
	case got := <-process.Fatals():
		if !strings.Contains(got.Error(), want) || strings.Contains(got.Error(), "guess") {
			t.Errorf("fatal\n got %q\nwant %q in it, and no password", got, want)
		}
	default:
		t.Error("the process was not told to stop")
	}
}

// authority makes certificates of one CA.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.write("ca", a.cert, a.key)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// issue makes a certificate for 127.0.0.1, valid until notAfter from now.
func (a *authority) issue(name string, notAfter time.Duration) tls.Certificate {
	key := a.newKey()
	a.write(name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(notAfter),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	pair, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".crt": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	text, err := os.ReadFile(a.path("ca.crt"))
	if err != nil || !pool.AppendCertsFromPEM(text) {
		a.t.Fatal("no CA", err)
	}
	return pool
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	ca.issue("client", time.Hour)
	broker := func(cert tls.Certificate) string {
		return addresses(startBroker(t, kfake.TLS(&tls.Config{
			Certificates: []tls.Certificate{cert}, ClientCAs: ca.pool(), ClientAuth: tls.RequireAndVerifyClientCert,
		})))
	}
	good, expired := broker(ca.issue("broker", time.Hour)), broker(ca.issue("old", -time.Minute))
	plain := addresses(startBroker(t))
	client := fmt.Sprintf("client_certs: [{cert_file: %s, key_file: %s}]", ca.path("client.crt"), ca.path("client.key"))
	roots := "root_cas_file: " + ca.path("ca.crt")
	startOutput(t, good, fmt.Sprintf("tls: {enabled: true, %s, %s}", roots, client))
	startOutput(t, good, fmt.Sprintf("tls: {enabled: true, skip_cert_verify: true, %s}", client))
	for name, tc := range map[string]struct{ addr, yaml, want string }{
		"foreign CA":     {good, "tls: {enabled: true, root_cas_file: " + other.path("ca.crt") + ", " + client + "}", "tls.root_cas_file"},
		"other name":     {good, "tls: {enabled: true, " + roots + ", " + client + "}\ntls_server_name: kafka.example", "tls_server_name"},
		"expired":        {expired, "tls: {enabled: true, " + roots + ", " + client + "}", "renew it"},
		"no certificate": {good, "tls: {enabled: true, " + roots + "}", "tls.client_certs"},
		"plain port":     {plain, "dial_timeout: 300ms\ntls: {enabled: true, " + roots + "}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == "" {
				wantWaits(t, tc.addr, tc.yaml, "tls")
				return
			}
			wantFatal(t, newOutput(t, tc.addr, tc.yaml), tc.want)
		})
	}
}

// wantWaits wants an output that goes on trying: what it sees could be a broker
// that is just starting.
func wantWaits(t *testing.T, addr, yaml, want string) {
	t.Helper()
	out := newOutput(t, addr, yaml)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- out.Connect(ctx) }()
	eventually(t, "a report", func() bool { return healthOf(out.health) != nil })
	if got := healthOf(out.health).Error(); !strings.Contains(got, want) {
		t.Errorf("health\n got %q\nwant %q in it", got, want)
	}
	cancel()
	<-done
	_ = out.Close(context.Background())
}

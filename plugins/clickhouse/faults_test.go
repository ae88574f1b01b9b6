package clickhouse

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// TestFatal: what no retry mends stops the process, with the cause and the next step.
func TestFatal(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n Int32, s String, a Array(String), d Int32 DEFAULT 1, m Int32 MATERIALIZED 1) ENGINE = MergeTree ORDER BY n")
	locked := enginetest.StartOwn(t, enginetest.Options{User: "writer", Password: "right"})
	missing := strings.Replace(f.yaml("t", ""), f.database, "nowhere", 1)
	for name, tc := range map[string]struct{ yaml, want string }{
		"password": {
			fmt.Sprintf("addresses: [%q]\ntable: t\nusername: writer\npassword: wrong", locked.Native),
			fmt.Sprintf(`clickhouse %s: password rejected for user "writer" (code 516): set CLICKHOUSE_PASSWORD or CLICKHOUSE_PASSWORD_FILE`, locked.Native),
		},
		"password over http": {
			fmt.Sprintf("protocol: http\naddresses: [%q]\ntable: t\nusername: writer\npassword: wrong", locked.HTTP),
			fmt.Sprintf(`clickhouse %s: password rejected for user "writer" (code 516): set CLICKHOUSE_PASSWORD or CLICKHOUSE_PASSWORD_FILE`, locked.HTTP),
		},
		"database":     {missing, fmt.Sprintf("clickhouse %s: unknown database \"nowhere\" (code 81): run `clickstream init`, or set CLICKHOUSE_DATABASE", f.Native)},
		"table":        {f.yaml("none", ""), fmt.Sprintf("clickhouse %s: unknown table %s.none (code 60): run `clickstream init`, or create it", f.Native, f.database)},
		"empty column": {f.yaml("t", "columns: {n: n}"), fmt.Sprintf("clickhouse %s: column s of %s.t has no default, and no field fills it: add it to `columns`, or give it a default", f.Native, f.database)},
		"missing column": {f.yaml("t", "columns: {price: cost, n: n, s: s}"),
			fmt.Sprintf("clickhouse %s: table %s.t has no column cost, which field price wants (columns: n, s, a, d, m)", f.Native, f.database)},
		"type": {f.yaml("t", ""),
			fmt.Sprintf("clickhouse %s: field a cannot fill column a of %s.t: type Array(String) cannot be stored; the types that can: String, ", f.Native, f.database)},
		"source": {f.yaml("t", "columns: {'@offset': n, s: s, a: a}"), fmt.Sprintf("clickhouse %s: field @offset cannot fill column n of %s.t: want Int64, got Int32", f.Native, f.database)},
		"limits": {f.yaml("t", "columns: {n: n, s: s}\nlimits: {n: {min: low}}"),
			fmt.Sprintf("clickhouse %s: field n cannot fill column n of %s.t: limits: want a number, got \"low\"", f.Native, f.database)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fatal(t, tc.yaml); !strings.HasPrefix(got, tc.want) {
				t.Errorf("fatal error\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// fatal connects until the process is asked to stop, and returns why.
func fatal(t *testing.T, yaml string) string {
	t.Helper()
	o := build(t, yaml)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- o.Connect(ctx) }()
	defer func() {
		cancel()
		<-done
		_ = o.Close(context.Background())
	}()
	select {
	case err := <-process.Fatals():
		return err.Error()
	case err := <-done:
		done <- err
		return fmt.Sprint("Connect: ", err)
	}
}

// TestRestartInMidStream kills the engine while batches are written: every batch is
// acknowledged in the end, and every row is there.
func TestRestartInMidStream(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	f := fixture{own.Server, own.Database(t)}
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	o := connected(t, f.yaml("t", "insert_timeout: 5s"))
	const batches, size = 40, 50
	results := make(chan error, batches)
	send := func(b int) {
		docs := make([]string, size)
		for i := range docs {
			docs[i] = fmt.Sprintf(`{"n":%d}`, b*size+i)
		}
		results <- o.WriteBatch(context.Background(), messages(docs...))
	}
	for b := range batches / 2 {
		go send(b)
	}
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	own.Kill()
	for b := range batches / 2 {
		go send(batches/2 + b)
	}
	eventually(t, "health notices that the engine is gone", func() bool { return process.Health()[o.config.healthName()] != nil })
	own.Restart(t)
	for range batches - 1 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if got, want := f.query(t, "SELECT uniqExact(n) FROM t"), fmt.Sprint(batches*size); got != want {
		t.Errorf("distinct rows\n got %s\nwant %s", got, want)
	}
	if err := process.Health()[o.config.healthName()]; err != nil {
		t.Errorf("health after the restart\n got %v\nwant <nil>", err)
	}
}

// TestAbsentAtStart: Connect waits for a server that is not there yet, and says so.
func TestAbsentAtStart(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	f := fixture{own.Server, own.Database(t)}
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	own.Kill()
	o := build(t, f.yaml("t", ""))
	done := make(chan error, 1)
	go func() { done <- o.Connect(t.Context()) }()
	eventually(t, "health says that the server is absent", func() bool {
		err := process.Health()[o.config.healthName()]
		return err != nil && strings.Contains(err.Error(), "connection refused")
	})
	own.Restart(t)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	defer o.Close(context.Background())
	if got := write(t, o, `{"n":1}`); got != "<nil>" {
		t.Error(got)
	}
}

// TestHardStopWhileDown: a hard stop ends calls that wait for a dead server, without
// an outcome, and Close returns at once.
func TestHardStopWhileDown(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	f := fixture{own.Server, own.Database(t)}
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	o := connected(t, f.yaml("t", "insert_timeout: 20s"))
	own.Kill()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.WriteBatch(ctx, messages(`{"n":1}`)) }()
	eventually(t, "the insert fails", func() bool { return process.Health()[o.config.healthName()] != nil })
	cancel()
	if err := <-done; !errors.Is(err, service.ErrEndOfInput) {
		t.Errorf("WriteBatch at a hard stop\n got %v\nwant %v", err, service.ErrEndOfInput)
	}
	started := time.Now()
	if err := o.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("Close\n got %v\nwant at once: nobody waits for the rows", took)
	}
}

// TestStalledServer: an engine that stops answering in mid-stream costs one deadline;
// the rows land when it goes on.
func TestStalledServer(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	f := fixture{own.Server, own.Database(t)}
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	o := connected(t, f.yaml("t", "insert_timeout: 300ms"))
	own.Pause()
	done := make(chan error, 1)
	go func() { done <- o.WriteBatch(context.Background(), messages(`{"n":1}`, `{"n":2}`)) }()
	eventually(t, "the deadline passes", func() bool { return process.Health()[o.config.healthName()] != nil })
	own.Resume()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := f.query(t, "SELECT uniqExact(n) FROM t"), "2"; got != want {
		t.Errorf("distinct rows\n got %s\nwant %s", got, want)
	}
}

// TestServerRefuses: a table that is dropped, or that has too many parts, is waited
// for while the pipeline runs; it does not stop the process.
func TestServerRefuses(t *testing.T) {
	f := newFixture(t)
	for name, tc := range map[string]struct{ spoil, repair, want string }{
		"too many parts": {"ALTER TABLE t MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1, max_delay_to_insert = 1, max_bytes_to_merge_at_max_space_in_pool = 1",
			"ALTER TABLE t RESET SETTING parts_to_throw_insert, parts_to_delay_insert", "code 252 TOO_MANY_PARTS"},
		"table dropped":  {"RENAME TABLE t TO u", "RENAME TABLE u TO t", "unknown table"},
		"column dropped": {"ALTER TABLE t RENAME COLUMN s TO x", "ALTER TABLE t RENAME COLUMN x TO s", "no column s"},
	} {
		t.Run(name, func(t *testing.T) {
			f.query(t, "DROP TABLE IF EXISTS t")
			f.query(t, "CREATE TABLE t (n UInt32, s String) ENGINE = MergeTree ORDER BY n")
			o := connected(t, f.yaml("t", "columns: {n: n, s: s}"))
			for i := range 3 {
				if got := write(t, o, fmt.Sprintf(`{"n":%d,"s":""}`, i)); got != "<nil>" {
					t.Fatal(got)
				}
			}
			f.query(t, tc.spoil)
			done := make(chan error, 1)
			go func() { done <- o.WriteBatch(context.Background(), messages(`{"n":3,"s":""}`)) }()
			eventually(t, "health says why", func() bool {
				err := process.Health()[o.config.healthName()]
				return err != nil && strings.Contains(err.Error(), tc.want)
			})
			f.query(t, tc.repair)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got, want := f.query(t, "SELECT count() FROM t"), "4"; got != want {
				t.Errorf("rows\n got %s\nwant %s", got, want)
			}
			select {
			case err := <-process.Fatals():
				t.Errorf("asked the process to stop: %v", err)
			default:
			}
		})
	}
}

// TestFailover: of several addresses the first that answers is used, also when they
// stand in one entry.
func TestFailover(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	o := connected(t, strings.Replace(f.yaml("t", ""), f.Native, dead.Addr().String()+", "+f.Native, 1))
	if got := write(t, o, `{"n":1}`); got != "<nil>" {
		t.Error(got)
	}
}

// TestTLS: real TLS in front of the engine, trusted, untrusted, and spoken to a port
// that has none.
func TestTLS(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	address, ca := terminateTLS(t, f.Native)
	yaml := strings.Replace(f.yaml("t", ""), f.Native, address, 1)
	o := connected(t, yaml+fmt.Sprintf("tls: {enabled: true, root_cas_file: %q}", ca))
	if got := write(t, o, `{"n":1}`); got != "<nil>" {
		t.Error(got)
	}
	if got, want := fatal(t, yaml+"tls: {enabled: true}"), "certificate signed by unknown authority: set `tls.root_cas_file`"; !strings.Contains(got, want) {
		t.Errorf("unknown authority\n got %s\nwant %s", got, want)
	}
	if got, want := fatal(t, strings.Replace(f.yaml("t", "tls: {enabled: true}"), f.Native, f.HTTP, 1)), "the server does not speak TLS on this port"; !strings.Contains(got, want) {
		t.Errorf("plain port\n got %s\nwant %s", got, want)
	}
}

// terminateTLS listens with a certificate of its own and passes on to backend; it
// returns the address and the file of the authority.
func terminateTLS(t *testing.T, backend string) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pipe(c, backend)
		}
	}()
	return l.Addr().String(), ca
}

func pipe(client net.Conn, backend string) {
	defer client.Close()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

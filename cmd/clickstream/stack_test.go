package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// binary is the command under test, built once for the whole package.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "clickstream-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "clickstream")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build clickstream: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = held.Close()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// stack is a broker, an engine and what runs between them, all as a user starts
// them by hand.
type stack struct {
	t      testing.TB
	dir    string
	broker *proc
	engine *proc

	brokerAddr, native, http string
}

// newStack starts broker and engine on free ports and runs init.
func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{t: t, dir: t.TempDir(), brokerAddr: freeAddress(t), native: freeAddress(t), http: freeAddress(t)}
	s.startBroker()
	s.startEngine()
	s.init()
	return s
}

// startBroker starts the broker, again on the port it had before.
func (s *stack) startBroker() {
	s.t.Helper()
	s.broker = start(s.t, nil, "broker", "--data", filepath.Join(s.dir, "broker"), "--listen", s.brokerAddr)
	s.brokerAddr = s.broker.awaitLine(`broker ready on (\S+)`)[0]
}

// startEngine starts the engine, again on the ports it had before.
func (s *stack) startEngine(env ...string) {
	s.t.Helper()
	s.engine = start(s.t, env, "engine", "--data", filepath.Join(s.dir, "engine"), "--native", s.native, "--http", s.http)
	addresses := s.engine.awaitLine(`engine ready: native (\S+), http (\S+)`)
	s.native, s.http = addresses[0], addresses[1]
}

func (s *stack) init() {
	s.t.Helper()
	p := start(s.t, s.env(), "init")
	if code := p.exit(); code != 0 {
		s.t.Fatalf("clickstream init: exit code %d:\n%s", code, p.out)
	}
}

func (s *stack) env(more ...string) []string {
	return append([]string{"KAFKA_BROKERS=" + s.brokerAddr, "CLICKHOUSE_ADDR=" + s.native}, more...)
}

// pipeline starts one of the two pipelines on a free HTTP port.
func (s *stack) pipeline(name string, env []string, args ...string) *pipelineProc {
	s.t.Helper()
	address := freeAddress(s.t)
	args = append([]string{"-c", "../../pipelines/" + name + ".yaml"}, args...)
	return &pipelineProc{proc: start(s.t, append(s.env("HTTP_ADDRESS="+address), env...), args...), address: address}
}

// pipelineProc is a running pipeline and where its HTTP server listens.
type pipelineProc struct {
	*proc
	address string
}

// get returns status and body of a path of the pipeline's HTTP server.
func (p *pipelineProc) get(path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// awaitReady waits until /ready answers with that status.
func (p *pipelineProc) awaitReady(want int) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("/ready of %s to answer %d", p.name, want), func() error {
		got, body, err := p.get("/ready")
		if err == nil && got != want {
			err = fmt.Errorf("got %d: %s", got, body)
		}
		return err
	})
}

// freeAddress returns an address that nobody uses. Its port is below those that
// systems give to outgoing connections: a server that was killed finds it free again.
func freeAddress(t testing.TB) string {
	t.Helper()
	address, err := findAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func findAddress() (address string, err error) {
	for range 100 {
		address = fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(9_000))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", err
}

// open opens the engine as an outside program would; the caller closes it.
func (s *stack) open() driver.Conn {
	s.t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{s.native}})
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// connect is open for the rest of the test.
func (s *stack) connect() driver.Conn {
	s.t.Helper()
	conn := s.open()
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// number runs a query that yields one unsigned number.
func (s *stack) number(query string, args ...any) uint64 {
	s.t.Helper()
	conn := s.open()
	defer conn.Close()
	var n uint64
	if err := conn.QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// awaitNumber waits until a query yields want.
func (s *stack) awaitNumber(query string, want uint64) {
	s.t.Helper()
	conn := s.connect()
	await(s.t, fmt.Sprintf("%s to be %d", query, want), func() error {
		var n uint64
		if err := conn.QueryRow(s.t.Context(), query).Scan(&n); err != nil {
			return err
		}
		if n != want {
			return fmt.Errorf("got %d", n)
		}
		return nil
	})
}

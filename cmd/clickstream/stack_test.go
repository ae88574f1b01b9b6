package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
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
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// patience is how long a test waits for what must happen before it gives up: far
// above what any of it takes, since test machines are shared.
const patience = 60 * time.Second

// proc is a running clickstream command.
type proc struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  *transcript
	done chan struct{} // closed once it has ended
}

// transcript collects a process' output; it may be read while it grows.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start runs `clickstream args...` with extra environment and ends it with the test.
func start(t testing.TB, env []string, args ...string) *proc {
	t.Helper()
	p := &proc{t: t, name: strings.Join(args, " "), cmd: exec.Command(binary, args...), out: &transcript{}, done: make(chan struct{})}
	p.cmd.Env = append(cleanEnv(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of clickstream %s:\n%s", p.name, lastLines(p.out.String(), 40))
		}
	})
	return p
}

// cleanEnv is the environment without what would steer a pipeline.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case strings.HasPrefix(name, "KAFKA_"), strings.HasPrefix(name, "CLICKHOUSE_"), name == "RATE", name == "USERS", name == "SEED", name == "HTTP_ADDRESS":
		default:
			env = append(env, e)
		}
	}
	return env
}

func (p *proc) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
}

// kill is kill -9, and waits for the end.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// exit waits for the end and returns the exit code.
func (p *proc) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("clickstream %s did not end within %s:\n%s", p.name, patience, lastLines(p.out.String(), 40))
		return -1
	}
}

// stop is a graceful stop that must succeed.
func (p *proc) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		p.t.Fatalf("clickstream %s stopped with exit code %d, want 0:\n%s", p.name, code, lastLines(p.out.String(), 40))
	}
}

// awaitLine waits until the output matches and returns the groups.
func (p *proc) awaitLine(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	await(p.t, "output of "+p.name+" to match "+pattern, func() error {
		if found = re.FindStringSubmatch(p.out.String()); found != nil {
			return nil
		}
		select {
		case <-p.done:
			p.t.Fatalf("clickstream %s ended before its output matched %q:\n%s", p.name, pattern, p.out.String())
		default:
		}
		return errors.New("no match yet")
	})
	return found[1:]
}

// await polls until check returns nil.
func await(t testing.TB, what string, check func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s for %s: %v", patience, what, err)
		}
	}
}

// holds polls for d and fails as soon as check fails: something must stay true.
func holds(t testing.TB, d time.Duration, check func() error) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(d)
	for {
		if err := check(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
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
	s := &stack{t: t, dir: t.TempDir(), brokerAddr: "127.0.0.1:0", native: "127.0.0.1:0", http: "127.0.0.1:0"}
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

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// connect opens the engine as an outside program would.
func (s *stack) connect() driver.Conn {
	s.t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{s.native}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// number runs a query that yields one unsigned number.
func (s *stack) number(query string, args ...any) uint64 {
	s.t.Helper()
	var n uint64
	if err := s.connect().QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
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

// residentKiB is a process' resident memory.
func residentKiB(t testing.TB, p *proc) int {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kib int
		if _, err := fmt.Sscanf(lines.Text(), "VmRSS: %d kB", &kib); err == nil {
			return kib
		}
	}
	t.Fatal("no VmRSS in /proc/pid/status")
	return 0
}

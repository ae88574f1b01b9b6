package browser

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// patience is how long anything may take before the test gives up: far above what
// it takes, since test machines are shared.
const patience = 60 * time.Second

// stack is what a demo starts, without the producer: the test makes the events.
type stack struct {
	t       *testing.T
	binary  string
	folder  string
	kafka   string
	native  string
	http    string
	address string // of the page
	boards  string // folder of the user's own boards
	engine  *child
	page    *child
	sql     driver.Conn
}

// child is one process of the stack.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// kill is kill -9, and waits for the end.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// newStack builds the program and starts nothing.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t, folder: t.TempDir(), kafka: freeAddress(t), native: freeAddress(t), http: freeAddress(t), address: freeAddress(t)}
	s.binary, s.boards = filepath.Join(s.folder, "clickstream"), filepath.Join(s.folder, "boards")
	build := exec.Command("go", "build", "-o", s.binary, "clickstream/cmd/clickstream")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build clickstream: %v\n%s", err, out)
	}
	return s
}

// startStack starts servers, consumer and page.
func startStack(t *testing.T) *stack {
	t.Helper()
	s := newStack(t)
	if err := os.CopyFS(s.boards, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	s.start("broker", "ready", "broker", "--data", filepath.Join(s.folder, "broker"), "--listen", s.kafka)
	s.startEngine()
	if out, err := s.command("init", "--wait", "60s").CombinedOutput(); err != nil {
		t.Fatalf("clickstream init: %v\n%s", err, out)
	}
	s.connect()
	s.start("consumer", "", "-c", filepath.Join("..", "..", "..", "pipelines", "consume.yaml"))
	s.startPage()
	return s
}

func (s *stack) startEngine() {
	s.engine = s.start("engine", "ready", "engine", "--data", filepath.Join(s.folder, "engine"), "--native", s.native, "--http", s.http)
}

func (s *stack) startPage() {
	s.page = s.start("page", "", "page", "--listen", s.address, "--dashboards", s.boards)
	s.await("the page to answer", func() error {
		response, err := http.Get("http://" + s.address + "/api/boards")
		if err != nil {
			return err
		}
		return response.Body.Close()
	})
}

// command is the program with the addresses of this stack and nothing of the
// tester's own.
func (s *stack) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary, args...)
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); !strings.HasPrefix(name, "KAFKA_") && !strings.HasPrefix(name, "CLICKHOUSE_") && name != "HTTP_ADDRESS" {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "KAFKA_BROKERS="+s.kafka, "CLICKHOUSE_ADDR="+s.native, "HTTP_ADDRESS=127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test
	return cmd
}

// start runs a part of the stack until the test ends, and waits for its word if it
// says one when it is ready.
func (s *stack) start(name, ready string, args ...string) *child {
	s.t.Helper()
	c := &child{cmd: s.command(args...), done: make(chan struct{})}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	said := &tail{}
	c.cmd.Stderr = said
	if err := c.cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", name, err)
	}
	told := make(chan struct{})
	go func() {
		defer close(c.done)
		reader, waiting := bufio.NewReader(out), true
		for {
			line, err := reader.ReadString('\n')
			_, _ = said.Write([]byte(line))
			if waiting && strings.Contains(line, ready) {
				waiting = false
				close(told)
			}
			if err != nil {
				break
			}
		}
		_, _ = io.Copy(said, reader)
		_ = c.cmd.Wait()
	}()
	s.t.Cleanup(func() {
		c.kill()
		if s.t.Failed() {
			s.t.Logf("output of %s:\n%s", name, said)
		}
	})
	if ready == "" {
		return c
	}
	select {
	case <-told:
	case <-c.done:
		s.t.Fatalf("%s ended: %s", name, said)
	case <-time.After(patience):
		s.t.Fatalf("%s not ready within %s: %s", name, patience, said)
	}
	return c
}

func (s *stack) connect() {
	s.t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{s.native}, Auth: clickhouse.Auth{Database: "clickstream", Username: "default"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.sql = conn
	s.t.Cleanup(func() { _ = conn.Close() })
}

// stored waits until the table holds n events.
func (s *stack) stored(n uint64) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d events in the table", n), func() error {
		var got uint64
		if err := s.sql.QueryRow(context.Background(), "SELECT count() FROM events").Scan(&got); err != nil || got != n {
			return fmt.Errorf("got %d: %w", got, err)
		}
		return nil
	})
}

func (s *stack) await(what string, check func() error) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
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
			s.t.Fatalf("waited %s for %s: %v", patience, what, err)
		}
	}
}

// freeAddress is a port that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

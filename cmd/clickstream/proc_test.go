package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"clickstream/internal/process"
)

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
	p, err := launch(t, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p.ended()
}

// ended ends the process with the test, and shows what it said if that failed.
func (p *proc) ended() *proc {
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("output of clickstream %s:\n%s", p.name, lastLines(p.out.String(), 40))
		}
	})
	return p
}

// launch runs `clickstream args...`; whoever calls it ends it. It may be called from
// any goroutine.
func launch(t testing.TB, env []string, args ...string) (*proc, error) {
	cmd := exec.Command(binary, args...)
	cmd.SysProcAttr = process.ChildAttributes(0)
	return launchCommand(t, env, cmd)
}

// launchCommand is launch for any program.
func launchCommand(t testing.TB, env []string, cmd *exec.Cmd) (*proc, error) {
	p := &proc{t: t, name: strings.Join(cmd.Args[1:], " "), cmd: cmd, out: &transcript{}, done: make(chan struct{})}
	p.cmd.Env = append(append(cleanEnv(), process.ParentEnv+"=3"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.ExtraFiles = []*os.File{alive}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	return p, nil
}

// alive is the read end of a pipe that ends with this process, however it ends: no
// child outlives a test run that was killed or ran out of time. held keeps it open.
var alive, held = func() (read, write *os.File) {
	read, write, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	return read, write
}()

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
	awaitWithin(t, patience, what, check)
}

func awaitWithin(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s for %s: %v", limit, what, err)
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

// both runs a command to its end and returns what it wrote to standard output and to
// standard error, and its exit code.
func both(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = cleanEnv()
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

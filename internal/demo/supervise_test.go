package demo

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clickstream/internal/process"
)

// childEnv makes the test binary play a child: the value says which.
const childEnv = "DEMO_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "server":
		playServer()
	case "crash":
		fmt.Fprintln(os.Stderr, "first words\nlibrary not found: run `make engine`")
		os.Exit(1)
	case "badconfig":
		os.Exit(exitConfig)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		select {}
	case "parent":
		playParent()
	}
}

// playServer serves until SIGTERM or its parent's death, and leaves its pid in a
// file, so that a test can kill it from outside.
func playServer() {
	process.OnParentDeath(func() { os.Exit(0) })
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if path := os.Getenv("DEMO_TEST_PID"); path != "" {
		if err := os.WriteFile(path+".new", []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			panic(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			panic(err)
		}
	}
	fmt.Println("ready on nothing")
	<-stop
	os.Exit(7) // shows in the tests that it was asked, not killed
}

// playParent starts one server child, prints its pid, and waits to be killed.
func playParent() {
	l, err := newLauncher(os.Args[0], os.Getenv("DEMO_TEST_LOGS"))
	if err != nil {
		panic(err)
	}
	c, err := l.start(testService("orphan", "server"))
	if err != nil {
		panic(err)
	}
	<-c.ready
	fmt.Println(c.cmd.Process.Pid)
	select {}
}

func testService(name, role string) service {
	return service{name: name, env: []string{childEnv + "=" + role}, ready: "ready", grace: 10 * time.Second}
}

func testLauncher(t *testing.T) *launcher {
	t.Helper()
	l, err := newLauncher(os.Args[0], t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.killAll()
		l.close()
	})
	return l
}

// eventually polls until ok, or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 15 s", what)
		}
	}
}

func TestStopAsksFirst(t *testing.T) {
	l := testLauncher(t)
	k := newSupervisor(l, func(string) {}).keep(testService("server", "server"))
	if err := served(t.Context(), 15*time.Second, k); err != nil {
		t.Fatal(err)
	}
	if got := k.stop(); got != 7 {
		t.Errorf("exit code: got %d, want 7 (SIGTERM seen)", got)
	}
	if got := k.stop(); got != 7 {
		t.Errorf("second stop: got %d, want 7", got)
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	sv := testService("deaf", "deaf")
	sv.grace = 50 * time.Millisecond
	k := newSupervisor(testLauncher(t), func(string) {}).keep(sv)
	if err := served(t.Context(), 15*time.Second, k); err != nil {
		t.Fatal(err)
	}
	if got := k.stop(); got != -1 {
		t.Errorf("exit code: got %d, want -1 (killed)", got)
	}
}

func TestKilledChildIsStartedAgain(t *testing.T) {
	notes := make(chan string, 10)
	s := newSupervisor(testLauncher(t), func(line string) { notes <- line })
	pidFile := filepath.Join(t.TempDir(), "pid")
	sv := testService("consumer", "server")
	sv.env = append(sv.env, "DEMO_TEST_PID="+pidFile)
	k := s.keep(sv)
	if err := served(t.Context(), 15*time.Second, k); err != nil {
		t.Fatal(err)
	}
	first := readPid(t, pidFile)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new pid", func() bool { return readPid(t, pidFile) != first })
	if note := <-notes; !strings.HasPrefix(note, "consumer died (signal: killed) after ") || strings.Contains(note, "\n") {
		t.Errorf("note: got %q", note)
	}
	k.stop()
	select {
	case err := <-s.broken:
		t.Errorf("broken: got %v, want nothing", err)
	default:
	}
}

func readPid(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// A child that cannot start says so at once, and in its own words.
func TestFirstStartFails(t *testing.T) {
	s := newSupervisor(testLauncher(t), func(line string) { t.Errorf("restarted: %s", line) })
	k := s.keep(testService("engine", "crash"))
	err := served(t.Context(), 15*time.Second, k)
	if err == nil {
		t.Fatal("served: got nil, want the child's words")
	}
	want := "engine: exit status 1\n  first words\n  library not found: run `make engine`\n  (log: "
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("served:\n got %q\nwant %q...", err, want)
	}
	if got := <-s.broken; got.Error() != err.Error() {
		t.Errorf("broken: got %v, want %v", got, err)
	}
}

func TestCrashLoopIsGivenUp(t *testing.T) {
	restarted := 0
	s := newSupervisor(testLauncher(t), func(string) { restarted++ })
	sv := testService("consumer", "crash")
	sv.ready = "" // as a pipeline, which has no ready line
	k := s.keep(sv)
	<-k.gone
	if restarted != maxShortRuns-1 {
		t.Errorf("restarts: got %d, want %d", restarted, maxShortRuns-1)
	}
	if k.err == nil || !strings.Contains(k.err.Error(), "library not found") {
		t.Errorf("err: got %v, want the last words", k.err)
	}
}

func TestBadConfigurationIsNotRetried(t *testing.T) {
	s := newSupervisor(testLauncher(t), func(line string) { t.Errorf("restarted: %s", line) })
	sv := testService("consumer", "badconfig")
	sv.ready = ""
	k := s.keep(sv)
	<-k.gone
	if k.last != exitConfig {
		t.Errorf("exit code: got %d, want %d", k.last, exitConfig)
	}
}

func TestOnce(t *testing.T) {
	l := testLauncher(t)
	if err := l.once(t.Context(), testService("init", "crash")); err == nil {
		t.Error("once: got nil, want the failure")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.once(ctx, testService("init", "server")); err != context.Canceled {
		t.Errorf("once: got %v, want %v", err, context.Canceled)
	}
}

// TestKilledParentLeavesNoOrphan kills -9 a process that has started a child. The
// child ignores the kernel's Pdeathsig here (service.orphaned is 0): the pipe alone
// must do, as it must on darwin.
func TestKilledParentLeavesNoOrphan(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), childEnv+"=parent", "DEMO_TEST_LOGS="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatalf("child %d is not there", pid)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	eventually(t, "the orphan's end", func() bool { return !alive(pid) })
}

// alive tells whether a process runs; a zombie that nobody reaps does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) || !onLinux()
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func onLinux() bool {
	_, err := os.Stat("/proc/self")
	return err == nil
}

func TestRestarts(t *testing.T) {
	var r restarts
	for i, tc := range []struct {
		ran   time.Duration
		delay time.Duration
		ok    bool
	}{
		{time.Hour, 100 * time.Millisecond, true},
		{time.Second, 100 * time.Millisecond, true},
		{time.Second, 200 * time.Millisecond, true},
		{time.Second, 400 * time.Millisecond, true},
		{3 * time.Second, 100 * time.Millisecond, true},
		{0, 100 * time.Millisecond, true},
		{0, 200 * time.Millisecond, true},
		{0, 400 * time.Millisecond, true},
		{0, 800 * time.Millisecond, true},
		{0, 1600 * time.Millisecond, false},
	} {
		delay, ok := r.after(tc.ran)
		if delay != tc.delay || ok != tc.ok {
			t.Errorf("run %d of %s: got %s, %t; want %s, %t", i, tc.ran, delay, ok, tc.delay, tc.ok)
		}
	}
}

package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"clickstream/internal/process"
)

// service says how one child process is started.
type service struct {
	// name is what messages and the log file call it.
	name string
	// args follow the program's path.
	args []string
	// env goes on top of the demo's own environment.
	env []string
	// ready is the beginning of the line on stdout that says the child serves;
	// empty: it counts as serving from the start.
	ready string
	// orphaned is what the kernel sends it when the demo is gone (Linux). What keeps
	// data closes its files (SIGTERM); what only moves data would try to finish
	// against servers that are going away, and is killed.
	orphaned syscall.Signal
	// grace is how long a stop may take before it becomes a kill.
	grace time.Duration
}

// launcher starts the children of one demo.
type launcher struct {
	program string
	logs    string
	// alive is the read end of a pipe that every child inherits; hold, its write
	// end, is ours alone, so the pipe ends when we do, however that happens.
	alive, hold *os.File
	jobs        chan func()

	mu       sync.Mutex
	children map[*child]struct{}
}

// newLauncher returns a launcher that runs program and keeps logs in a folder,
// which must exist.
func newLauncher(program, logs string) (*launcher, error) {
	alive, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l := &launcher{program: program, logs: logs, alive: alive, hold: hold,
		jobs: make(chan func()), children: map[*child]struct{}{}}
	go l.run()
	return l, nil
}

// run starts every child from one thread that lasts as long as the launcher:
// Pdeathsig follows the thread that made the child, and Go may end any other.
func (l *launcher) run() {
	runtime.LockOSThread()
	for job := range l.jobs {
		job()
	}
	runtime.UnlockOSThread() // or the thread would end here, and take the children along
}

// close lets go of the pipe; whatever child is left notices. Call it once.
func (l *launcher) close() {
	close(l.jobs)
	l.hold.Close()
	l.alive.Close()
}

// killAll kills every child with its whole process group, without waiting.
func (l *launcher) killAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.children {
		c.kill()
	}
}

// start runs s and returns as soon as the process exists.
func (l *launcher) start(s service) (*child, error) {
	path := logPath(l.logs, s.name)
	if err := trimLog(path, maxLogBytes); err != nil {
		return nil, fmt.Errorf("%s: log: %w", s.name, err)
	}
	log, err := openLog(path)
	if err != nil {
		return nil, fmt.Errorf("%s: log: %w", s.name, err)
	}
	defer log.Close()
	c := &child{service: s, log: path, ready: make(chan struct{}), done: make(chan struct{})}
	if info, err := log.Stat(); err == nil {
		c.from = info.Size()
	}
	c.cmd = exec.Command(l.program, s.args...)
	c.cmd.Env = environment(os.Environ(), s.env)
	c.cmd.Stderr, c.cmd.Stdout = log, log
	c.cmd.ExtraFiles = []*os.File{l.alive} // descriptor 3
	c.cmd.SysProcAttr = process.ChildAttributes(s.orphaned)
	return c, l.launch(c)
}

// launch starts c's process and the goroutine that waits for its end.
func (l *launcher) launch(c *child) error {
	stdout, err := c.readiness()
	if err != nil {
		return fmt.Errorf("%s: %w", c.service.name, err)
	}
	started := make(chan error)
	l.jobs <- func() { started <- c.cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("%s: %w", c.service.name, err)
	}
	c.started = time.Now()
	l.mu.Lock()
	l.children[c] = struct{}{}
	l.mu.Unlock()
	go func() {
		if stdout != nil {
			c.watch(stdout)
		}
		c.err = c.cmd.Wait()
		c.ran = time.Since(c.started)
		l.mu.Lock()
		delete(l.children, c)
		l.mu.Unlock()
		close(c.done)
	}()
	return nil
}

// environment returns base without a pipe of our own parent's, plus ours and env.
func environment(base, env []string) []string {
	out := make([]string, 0, len(base)+len(env)+1)
	for _, entry := range base {
		if !strings.HasPrefix(entry, process.ParentEnv+"=") {
			out = append(out, entry)
		}
	}
	return append(append(out, env...), process.ParentEnv+"=3")
}

// child is one run of a service.
type child struct {
	service service
	cmd     *exec.Cmd
	log     string
	from    int64 // where in the log this run begins
	started time.Time
	ready   chan struct{} // closed at the ready line
	done    chan struct{} // closed at the end; err and ran may be read then
	err     error
	ran     time.Duration
}

// readiness prepares how the child tells that it serves: by a line on a pipe, or,
// if it has none, by being there.
func (c *child) readiness() (io.Reader, error) {
	if c.service.ready == "" {
		close(c.ready)
		return nil, nil
	}
	c.cmd.Stdout = nil
	return c.cmd.StdoutPipe()
}

// watch reads the child's stdout to its end. By contract that is the ready line
// and nothing else, so it does not go to the log.
func (c *child) watch(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), c.service.ready) {
			close(c.ready)
			break
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // it ends with the child
}

// stop asks the child to end and returns once it has; after grace it is killed.
func (c *child) stop(grace time.Duration) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-c.done:
	case <-late.C:
		c.kill()
		<-c.done
	}
}

// kill ends the child's process group at once.
func (c *child) kill() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }

// code is the exit code of a child that is done; -1 if a signal ended it.
func (c *child) code() int { return c.cmd.ProcessState.ExitCode() }

// failure says how the child ended, with its last words.
func (c *child) failure() error {
	how := "ended with exit code 0"
	if c.err != nil {
		how = c.err.Error()
	}
	return errors.New(c.service.name + ": " + how + quote(tail(c.log, c.from), c.log))
}

package stage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"clickstream/bench/proc"
	"clickstream/internal/process"
)

// Command says how a child is started.
type Command struct {
	// Name is the child's in errors, and its log file's.
	Name string
	Args []string // the program and what follows it
	Env  []string // on top of the stage's own environment
	CPUs string   // pin it to these, as taskset -c has it; "" is all
}

// Child is a running program.
type Child struct {
	Command
	cmd   *exec.Cmd
	log   string
	done  chan struct{}
	err   error // of the wait; read it once done is closed
	began time.Time
}

// Usage is what an ended child has cost from its start to its end.
type Usage struct {
	CPU time.Duration // user and system
	RSS int64         // bytes, the most it had at a time
}

// stopGrace is how long a child may take to stop before it is killed.
const stopGrace = 30 * time.Second

// Start runs a program until it ends, or Stop. Call it from the goroutine that
// called Open: on Linux the kernel kills the child if that goroutine's thread ends.
func (s *Stage) Start(c Command) (*Child, error) {
	if c.CPUs != "" {
		c.Args = append([]string{"taskset", "-c", c.CPUs}, c.Args...)
	}
	log, err := os.Create(filepath.Join(s.dir, strings.NewReplacer(" ", "-", "/", "-").Replace(c.Name)+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	child := &Child{Command: c, log: log.Name(), done: make(chan struct{}), began: time.Now()}
	child.cmd = exec.Command(c.Args[0], c.Args[1:]...)
	child.cmd.Env = append(append(os.Environ(), c.Env...), process.ParentEnv+"=3")
	child.cmd.Stdout, child.cmd.Stderr = log, log
	child.cmd.ExtraFiles = []*os.File{s.alive}                       // descriptor 3: ends when this process does
	child.cmd.SysProcAttr = process.ChildAttributes(syscall.SIGKILL) // Java and Python know nothing of the pipe
	if err := child.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	s.children = append(s.children, child)
	go func() {
		child.err = child.cmd.Wait()
		close(child.done)
	}()
	return child, nil
}

// PID is the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// CPU is what the child and all below it have used so far.
func (c *Child) CPU() (time.Duration, error) { return proc.CPU(c.PID()) }

// Done is closed once the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Stop tells the child to end, unless it has already, and returns what it cost. An
// exit code other than 0 is an error that holds the end of its log.
func (c *Child) Stop() (Usage, error) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	return c.Wait(stopGrace)
}

// Wait waits for the child to end by itself.
func (c *Child) Wait(limit time.Duration) (Usage, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-c.done
		return Usage{}, fmt.Errorf("%s: still running after %s: killed\n%s", c.Name, limit, c.Tail())
	}
	if c.err != nil {
		return Usage{}, fmt.Errorf("%s: %w\n%s", c.Name, c.err, c.Tail())
	}
	state := c.cmd.ProcessState
	u := Usage{CPU: state.UserTime() + state.SystemTime()}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.RSS = usage.Maxrss * rssUnit
	}
	return u, nil
}

// Tail is the end of what the child has said.
func (c *Child) Tail() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// says tells whether the child's log holds a text.
func (c *Child) says(text string) bool {
	log, err := os.ReadFile(c.log)
	return err == nil && strings.Contains(string(log), text)
}

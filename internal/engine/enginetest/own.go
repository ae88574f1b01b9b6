package enginetest

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options shape an engine that a test has for itself.
type Options struct {
	// User and Password are required of clients if either is set.
	User, Password string
	// MemoryBytes is the engine's limit; 0 is its default.
	MemoryBytes int64
	// Grace is how long Stop lets statements run; 0 is the default.
	Grace time.Duration
	// Native and HTTP are addresses to serve on; "" takes free ports.
	Native, HTTP string
}

// Own is an engine that a test may stop, kill and start again.
type Own struct {
	Server
	options Options
	data    string
	child   *child
}

// StartOwn starts an engine for one test and kills it when that ends.
func StartOwn(t testing.TB, options Options) *Own {
	t.Helper()
	o := &Own{options: options, data: t.TempDir()}
	o.User, o.Password = options.User, options.Password
	if o.User == "" {
		o.User = "default"
	}
	o.Native, o.HTTP = options.Native, options.HTTP
	o.Restart(t)
	t.Cleanup(o.Kill)
	return o
}

// Restart starts a stopped or killed engine again, on the same ports and data.
func (o *Own) Restart(t testing.TB) {
	t.Helper()
	c, err := launch(o.data, o.flags(), []string{"CLICKHOUSE_USER=" + o.options.User, "CLICKHOUSE_PASSWORD=" + o.Password})
	if err != nil {
		t.Fatal(err)
	}
	o.child, o.Native, o.HTTP = c, c.addresses.Native, c.addresses.HTTP
}

func (o *Own) flags() string {
	flags := []string{"-memory", strconv.FormatInt(o.options.MemoryBytes, 10), "-grace", o.options.Grace.String()}
	if o.Native != "" {
		flags = append(flags, "-native", o.Native)
	}
	if o.HTTP != "" {
		flags = append(flags, "-http", o.HTTP)
	}
	return strings.Join(flags, " ")
}

// Kill ends the engine with SIGKILL, as a crash or the kernel's out-of-memory
// killer would. Without a running one it does nothing.
func (o *Own) Kill() {
	if o.child != nil {
		_ = o.child.stop(os.Kill) // its exit status is the signal we sent
		o.child = nil
	}
}

// Stop ends the engine with SIGTERM and returns how it exited: nil is 0.
func (o *Own) Stop() error {
	c := o.child
	o.child = nil
	return c.stop(syscall.SIGTERM)
}

// Pause stops the engine's clock with SIGSTOP: it accepts connections, since the
// kernel does that, and answers nothing.
func (o *Own) Pause() { _ = o.child.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (o *Own) Resume() { _ = o.child.cmd.Process.Signal(syscall.SIGCONT) }

// Data returns the engine's folder.
func (o *Own) Data() string { return o.data }

// TryStart starts an engine on the folder data, for tests of starts that fail. One
// that does start is killed at once.
func TryStart(data string) (Server, error) {
	c, err := launch(data, "", nil)
	if err != nil {
		return Server{}, err
	}
	_ = c.stop(os.Kill) // its exit status is the signal we sent
	return Server{Native: c.addresses.Native, HTTP: c.addresses.HTTP, User: "default"}, nil
}

// PID returns the engine's process id.
func (o *Own) PID() int { return o.child.cmd.Process.Pid }

package enginetest

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"clickstream/internal/engine"
	"clickstream/internal/engine/library"
	"clickstream/internal/process"
)

// startTimeout is ample: an engine opens in 0.1 to 1 s, on a busy machine in 5.
const startTimeout = 60 * time.Second

// child is one engine process.
type child struct {
	cmd       *exec.Cmd
	pipe      *os.File // our end: the child stops when it closes
	stderr    bytes.Buffer
	addresses engine.Addresses
}

var program struct {
	once sync.Once
	path string
	err  error
}

// launch starts an engine on the folder data and waits until it serves. env is
// added to ours.
func launch(data, flags string, env []string) (*child, error) {
	if _, err := library.Find(""); err != nil {
		return nil, err
	}
	program.once.Do(func() { program.path, program.err = build() })
	if program.err != nil {
		return nil, program.err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := &child{pipe: ours, cmd: exec.Command(program.path, append([]string{"-data", data}, strings.Fields(flags)...)...)}
	c.cmd.Env = append(environment(), process.ParentEnv+"=3") // the first of ExtraFiles
	c.cmd.Env = append(c.cmd.Env, env...)
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.await(stdout); err != nil {
		return nil, err
	}
	return c, nil
}

// environment is ours without what would change who may connect.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CLICKHOUSE_") && !strings.HasPrefix(v, process.ParentEnv+"=") {
			env = append(env, v)
		}
	}
	return env
}

// await reads the ready line.
func (c *child) await(stdout io.Reader) error {
	timer := time.AfterFunc(startTimeout, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		var ok bool
		if c.addresses, ok = engine.ParseReady(line); ok {
			return nil
		}
		err = fmt.Errorf("ready line: got %q", line)
		_ = c.cmd.Process.Kill()
	}
	_ = c.cmd.Wait() // the reason is on stderr
	return fmt.Errorf("engine start: %w: %s", err, strings.TrimSpace(c.stderr.String()))
}

// stop sends a signal and waits for the end; the error is the child's exit.
func (c *child) stop(signal os.Signal) error {
	_ = c.cmd.Process.Signal(signal) // it may have ended by itself
	err := c.cmd.Wait()
	c.pipe.Close()
	return err
}

// ownFolder is where this source tree's test engines are: another tree's are other
// programs.
func ownFolder() string {
	_, source, _, _ := runtime.Caller(0)
	return filepath.Join(os.TempDir(), fmt.Sprintf("clickstream-enginetest-%d-%08x", os.Getuid(), crc32.ChecksumIEEE([]byte(source))))
}

// build compiles the child without the race detector, whatever the test is built
// with. All test binaries share the result, so that only the first one links it;
// go build replaces the file by a rename, which leaves running engines alone.
func build() (string, error) {
	dir := ownFolder()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path := filepath.Join(dir, "serve")
	cmd := exec.Command("go", "build", "-race=false", "-o", path, "clickstream/internal/engine/enginetest/serve")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of the test engine: %w: %s", err, out)
	}
	return path, nil
}

func do(t testing.TB, request *http.Request) (status int, body string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

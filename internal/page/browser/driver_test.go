package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// scenarioLimit is ample: the longest takes 20 s on two busy cores.
const scenarioLimit = 90 * time.Second

// chromium is the Node process that holds the browser. It reads what to run and says
// what it wants from us, a line of JSON each.
type chromium struct {
	in     *json.Encoder
	lines  chan message
	stderr *tail
}

// message is a line of the driver: a call for a service, or the end of a scenario.
type message struct {
	Call    string          `json:"call"`
	Args    json.RawMessage `json:"args"`
	Log     string          `json:"log"`
	Done    bool            `json:"done"`
	Failure string          `json:"failure"`
}

// service is what a scenario may ask of the test: SQL, events, a kill.
type service func(args json.RawMessage) (any, error)

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text string
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(p)
	l.text = l.text[max(0, len(l.text)-8000):]
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

func startDriver(t *testing.T, found tools) *chromium {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, found.node, "scenarios/driver.mjs", found.folder, found.chrome)
	d := &chromium{lines: make(chan message), stderr: &tail{}}
	cmd.Stderr = d.stderr
	if found.chrome == "" { // the package unpacks its browser, once, into the folder for temporary files
		temporary := filepath.Join(found.folder, "tmp")
		if err := os.MkdirAll(temporary, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.in = json.NewEncoder(in)
	go d.read(out)
	t.Cleanup(func() {
		in.Close() // the driver closes the browser and ends
		stop := time.AfterFunc(10*time.Second, cancel)
		_ = cmd.Wait()
		stop.Stop()
		cancel()
	})
	return d
}

func (d *chromium) read(out io.Reader) {
	defer close(d.lines)
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var m message
		if err := json.Unmarshal(scanner.Bytes(), &m); err != nil {
			m = message{Log: scanner.Text()}
		}
		d.lines <- m
	}
}

// run plays a scenario and serves it until it ends.
func (d *chromium) run(t *testing.T, name, url string, services map[string]service) {
	t.Helper()
	if err := d.in.Encode(map[string]string{"run": name, "url": url}); err != nil {
		t.Fatalf("driver: %v: %s", err, d.stderr)
	}
	limit := time.After(scenarioLimit)
	for {
		select {
		case m, ok := <-d.lines:
			switch {
			case !ok:
				t.Fatalf("driver ended: %s", d.stderr)
			case m.Log != "":
				t.Log(m.Log)
			case m.Done && m.Failure != "":
				t.Fatal(m.Failure)
			case m.Done:
				return
			default:
				d.answer(t, m, services)
			}
		case <-limit:
			t.Fatalf("scenario %s did not end within %s: %s", name, scenarioLimit, d.stderr)
		}
	}
}

func (d *chromium) answer(t *testing.T, m message, services map[string]service) {
	t.Helper()
	reply := struct {
		Value any    `json:"value"`
		Error string `json:"error,omitempty"`
	}{}
	err := errors.New("no such service")
	if call, ok := services[m.Call]; ok {
		reply.Value, err = call(m.Args)
	}
	if err != nil {
		reply.Error = strings.TrimSpace(fmt.Sprintf("%s: %v", m.Call, err))
	}
	if err := d.in.Encode(reply); err != nil {
		t.Fatalf("driver: %v: %s", err, d.stderr)
	}
}

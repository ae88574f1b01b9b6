package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writePipeline writes a file whose lines are given, and returns its path.
func writePipeline(t *testing.T, path, yaml string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte("http: { enabled: false }\n"+yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// linesOf are the lines of a file; one that is not there yet has none.
func linesOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// TestEveryBufferPassesEveryEvent: each buffer that Benthos has here, between an input
// and an output. They hung, since the tracer had no span for them.
func TestEveryBufferPassesEveryEvent(t *testing.T) {
	list := start(t, nil, "list", "buffers")
	if code := list.exit(); code != 0 {
		t.Fatalf("list: %s", list.out)
	}
	configs := map[string]string{
		"memory": "{}", "none": "{}",
		"system_window": "{ timestamp_mapping: 'root = now()', size: 1s }",
	}
	for name := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := filepath.Join(dir, "out")
			file := writePipeline(t, filepath.Join(dir, "p.yaml"), fmt.Sprintf(`
input: { generate: { count: 5, interval: 1ms, mapping: 'root.id = count("events")' } }
buffer: { %s: %s }
output: { file: { path: %s, codec: lines } }
`, name, configs[name], out))
			p := start(t, nil, "-c", file)
			if name == "system_window" { // it gives out a window when it is over, whatever the input does
				await(t, "the window to be written", func() error { return fiveLines(linesOf(t, out)) })
				return
			}
			if code := p.exit(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if err := fiveLines(linesOf(t, out)); err != nil {
				t.Error(err)
			}
		})
	}
	for line := range strings.Lines(list.out.String()) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok && configs[name] == "" {
			t.Errorf("buffer %s is not tried here", name)
		}
	}
}

func fiveLines(lines []string) error {
	if got := strings.Join(lines, " "); got != `{"id":1} {"id":2} {"id":3} {"id":4} {"id":5}` {
		return fmt.Errorf("got %s, want five events", got)
	}
	return nil
}

// TestStdoutIsTheUsers: what a pipeline writes to standard output comes out whole, if it
// looks like a log too, and nothing else does.
func TestStdoutIsTheUsers(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, []string{"{\"level\":\"error\",\"n\":%d}\n", "level=warning n=%d\n"}[i%2], i)
	}
	if err := os.WriteFile(in, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, output := range map[string]string{"stdout": "stdout: {}", "behind a broker": "broker: { outputs: [ { stdout: {} } ] }"} {
		file := writePipeline(t, filepath.Join(dir, "p.yaml"), "input: { file: { paths: [ "+in+" ] } }\noutput: { "+output+" }\n")
		out, log, code := both(t, "-c", file)
		if out != text.String() || code != 0 {
			t.Errorf("%s: got %d bytes and exit code %d, want the %d of the input", name, len(out), code, text.Len())
		}
		if !strings.Contains(log, "Launching") {
			t.Errorf("%s: the log on standard error is %q", name, log)
		}
	}
	if out, log, code := both(t, "--help"); !strings.Contains(out, "COMMANDS") || log != "" || code != 0 {
		t.Errorf("--help: got %d bytes on standard output, %q on standard error, exit code %d", len(out), log, code)
	}
}

// TestReload: a pipeline that is edited under -w loses nothing of what a batch held,
// whatever was edited: whether a batch may travel as one message was decided once, and
// 400 records became 9 empty lines.
func TestReload(t *testing.T) {
	s := newStack(t)
	yaml := func(topic, processors, output string) string {
		return fmt.Sprintf("input: { kafka: { brokers: [ %s ], topic: %s, group: g } }\npipeline: { processors: [%s] }\noutput: { %s }\n",
			s.brokerAddr, topic, processors, output)
	}
	toKafka := "kafka: { brokers: [ " + s.brokerAddr + " ], topic: clickstream-dead-letters }"
	file := writePipeline(t, filepath.Join(s.dir, "p.yaml"), yaml("clickstream", "", toKafka))
	p := start(t, nil, "-w", "-c", file)
	p.awaitLine("kafka is now active")

	produced := s.pipeline("produce", nil, "--set", "input.clickstream_simulator.rate=400", "--set", "input.clickstream_simulator.count=400", "--set", "input.clickstream_simulator.seed=7")
	if code := produced.exit(); code != 0 {
		t.Fatal("produce failed")
	}
	updates := 0
	for _, output := range []string{"file: { path: %s, codec: lines }", "broker: { outputs: [ { file: { path: %s, codec: lines } } ] }"} {
		for _, processors := range []string{"", " { mapping: 'root = this.assign({\"mapped\": true})' } "} {
			updates++
			out := filepath.Join(s.dir, fmt.Sprint("out", updates))
			writePipeline(t, file, yaml("clickstream", processors, fmt.Sprintf(output, out)))
			await(t, output+": the edit to be seen", func() error {
				if got := strings.Count(p.out.String(), "Updated main config"); got < updates {
					return fmt.Errorf("got %d of %d", got, updates)
				}
				return nil
			})
			again := s.pipeline("produce", nil, "--set", "input.clickstream_simulator.rate=0", "--set", "input.clickstream_simulator.count=300", "--set", fmt.Sprintf("input.clickstream_simulator.seed=%d", 100+updates))
			if code := again.exit(); code != 0 {
				t.Fatal("produce failed")
			}
			await(t, output+": events to be written", func() error {
				lines := linesOf(t, out)
				for _, line := range lines {
					if !strings.HasPrefix(line, "{") || processors != "" && !strings.Contains(line, `"mapped":true`) {
						return fmt.Errorf("got %.80q", line)
					}
				}
				if len(lines) < 300 {
					return fmt.Errorf("got %d lines", len(lines))
				}
				return nil
			})
		}
	}
}

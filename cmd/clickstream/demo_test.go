package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"clickstream/internal/process"
)

// demoProc is a running `clickstream demo` on free ports.
type demoProc struct {
	*proc
	data string
	// Addresses, from the banner.
	page, kafka, native, http, producer, consumer string
}

// startDemo starts a demo and reads its banner.
func startDemo(t *testing.T, data string, args ...string) *demoProc {
	t.Helper()
	args = append([]string{"demo", "--data", data, "--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--clickhouse-http", "127.0.0.1:0", "--page", "127.0.0.1:0"}, args...)
	d := &demoProc{proc: start(t, nil, args...), data: data}
	servers := d.awaitLine(`kafka (\S+) -> clickhouse (\S+)\n`)
	d.kafka, d.native = servers[0], servers[1]
	d.page = d.awaitLine(`(?m)^  page +http://(\S+)$`)[0]
	d.http = d.awaitLine(`curl .*'http://(\S+)/'`)[0]
	pages := d.awaitLine(`http://(\S+)/metrics \(producer\), http://(\S+)/metrics \(consumer\)`)
	d.producer, d.consumer = pages[0], pages[1]
	d.awaitLine(`(?m)^  stop `)
	return d
}

// sum returns a number of the summary: of all runs, if it tells them apart.
func (d *demoProc) sum(name string) string {
	d.t.Helper()
	found := regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(name) + ` +([\d,.]+)(?: +([\d,.]+))?(?:   .*)?$`).FindStringSubmatch(d.out.String())
	if found == nil {
		d.t.Fatalf("no %q in the summary:\n%s", name, d.out)
	}
	if found[2] != "" {
		found[1] = found[2]
	}
	return strings.ReplaceAll(found[1], ",", "")
}

// gone waits until nobody serves on any of the demo's ports nor holds its folders.
func (d *demoProc) gone() {
	d.t.Helper()
	for _, address := range []string{d.page, d.kafka, d.native, d.http, d.producer, d.consumer} {
		await(d.t, "the end of whoever serves on "+address, func() error {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				return nil
			}
			_ = conn.Close()
			return fmt.Errorf("still served by %s", process.PortHolder(address))
		})
	}
	for _, name := range []string{"", "broker", "engine"} {
		await(d.t, "the lock of data/"+name, func() error {
			unlock, err := process.LockDir(filepath.Join(d.data, name))
			if err == nil {
				err = unlock()
			}
			return err
		})
	}
}

// stack opens the data that a demo left with broker and engine started by hand.
func (d *demoProc) stack() *stack {
	d.t.Helper()
	s := &stack{t: d.t, dir: d.data, brokerAddr: "127.0.0.1:0", native: "127.0.0.1:0", http: "127.0.0.1:0"}
	s.startBroker()
	s.startEngine()
	return s
}

// checkSums holds the summary against the topic and the table, read by others.
func (d *demoProc) checkSums() {
	d.t.Helper()
	s := d.stack()
	var produced int64
	for _, end := range s.ends("clickstream") {
		produced += end
	}
	want := map[string]string{"produced": strconv.FormatInt(produced, 10)}
	for name, query := range map[string]string{
		"stored":       "SELECT count() FROM clickstream.events",
		"page_view":    "SELECT countIf(event_type = 'page_view') FROM clickstream.events",
		"add_to_cart":  "SELECT countIf(event_type = 'add_to_cart') FROM clickstream.events",
		"purchase":     "SELECT countIf(event_type = 'purchase') FROM clickstream.events",
		"dead letters": "SELECT count() FROM clickstream.dead_letters FINAL",
	} {
		want[name] = strconv.FormatUint(s.number(query), 10)
	}
	want["lag"] = "0"
	cents := s.number("SELECT toUInt64(round(sumIf(price, event_type = 'purchase'), 2) * 100) FROM clickstream.events")
	want["revenue"] = fmt.Sprintf("%d.%02d", cents/100, cents%100)
	for name, number := range want {
		if got := d.sum(name); got != number {
			d.t.Errorf("%s: the summary says %s, the servers %s", name, got, number)
		}
	}
}

// TestDemo: one command, events flow, the sums are those of topic and table; a
// second run goes on where the first one ended; --reset starts from nothing.
func TestDemo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d := startDemo(t, data, "--for", "5s", "--rate", "200")
	d.pageCounts()
	other := start(t, nil, "demo", "--data", data)
	if code := other.exit(); code != exitFailure || !strings.Contains(other.out.String(), fmt.Sprintf("in use by process %d ", d.cmd.Process.Pid)) {
		t.Errorf("a second demo on the folder: exit code %d, want %d and the holder:\n%s", code, exitFailure, other.out)
	}
	if code := d.exit(); code != exitOK {
		t.Fatalf("exit code %d, want 0:\n%s", code, d.out)
	}
	banner, _, _ := strings.Cut(d.out.String(), "first row after")
	if n := strings.Count(banner, "\n"); n > 7 { // and one line that says it is waiting
		t.Errorf("the banner has %d lines, want at most 6:\n%s", n-1, banner)
	}
	if n, _ := strconv.Atoi(d.sum("produced")); n < 1000 || n > 2000 {
		t.Errorf("5 s at 200 events a second: %d produced, want 1000 and what came before the first row and after the last look", n)
	}
	d.gone()
	d.checkSums()
}

func TestDemoGoesOnAndResets(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for run, args := range [][]string{{"--for", "1s"}, {"--for", "1s"}, {"--for", "1s", "--reset"}} {
		d := startDemo(t, data, args...)
		if code := d.exit(); code != exitOK {
			t.Fatalf("run %d: exit code %d, want 0:\n%s", run, code, d.out)
		}
		if got, want := strings.Contains(d.out.String(), "all runs"), run == 1; got != want {
			t.Errorf("run %d: tells earlier runs apart: %t, want %t:\n%s", run, got, want, d.out)
		}
	}
}

// TestDemoKilled: kill -9 of the demo ends its children, and the next run stores
// what was in flight.
func TestDemoKilled(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d := startDemo(t, data, "--rate", "2000")
	d.awaitLine(`first row after`)
	d.kill()
	d.gone()
	d = startDemo(t, data, "--for", "1s")
	d.exact(d.exit())
}

// exact: the sums are equal, though something was killed.
func (d *demoProc) exact(code int) {
	d.t.Helper()
	if code != exitOK {
		d.t.Errorf("exit code %d, want 0:\n%s", code, d.out)
	}
}

// TestDemoChildrenKilled kills -9 each child in turn; the demo starts it again and
// nothing is lost.
func TestDemoChildrenKilled(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d := startDemo(t, data, "--rate", "1000")
	d.awaitLine(`first row after`)
	for _, child := range []struct{ name, address string }{
		{"consumer", d.consumer}, {"engine", d.native}, {"broker", d.kafka}, {"producer", d.producer}, {"page", d.page},
	} {
		pid := d.pid(child.address)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		d.awaitLine(child.name + ` died \(signal: killed\) after \S+, starting it again`)
		await(t, "another "+child.name, func() error {
			if holder := process.PortHolder(child.address); !strings.HasPrefix(holder, "process ") || strings.HasPrefix(holder, fmt.Sprintf("process %d ", pid)) {
				return fmt.Errorf("%s is held by %s", child.address, holder)
			}
			return nil
		})
		d.rowsGrow()
	}
	d.signal(syscall.SIGINT)
	d.exact(d.exit())
	d.gone()
}

// pid returns the process that serves on address, as the system tells it.
func (d *demoProc) pid(address string) int {
	d.t.Helper()
	var pid int
	await(d.t, "the pid behind "+address, func() error {
		_, err := fmt.Sscanf(process.PortHolder(address), "process %d", &pid)
		return err
	})
	return pid
}

// pageCounts waits until the live page counts rows of this demo.
func (d *demoProc) pageCounts() {
	d.t.Helper()
	await(d.t, "rows on the page", func() error {
		var counts struct{ Total, Good, Bad int64 }
		answer, err := http.Get("http://" + d.page + "/api/counts")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		err = json.NewDecoder(answer.Body).Decode(&counts)
		if err == nil && (counts.Good == 0 || counts.Total != counts.Good+counts.Bad) {
			err = fmt.Errorf("counts are %+v", counts)
		}
		return err
	})
}

// rowsGrow waits until rows are stored that were not there before.
func (d *demoProc) rowsGrow() {
	d.t.Helper()
	s := &stack{t: d.t, native: d.native}
	conn := s.connect()
	count := func() (n uint64, err error) {
		err = conn.QueryRow(d.t.Context(), "SELECT count() FROM clickstream.events").Scan(&n)
		return n, err
	}
	var before uint64
	await(d.t, "the engine to answer", func() (err error) { before, err = count(); return err })
	await(d.t, "new rows", func() error {
		n, err := count()
		if err == nil && n <= before {
			err = fmt.Errorf("still %d", n)
		}
		return err
	})
}

// TestDemoSecondSignal: a second Ctrl-C ends everything at once.
func TestDemoSecondSignal(t *testing.T) {
	d := startDemo(t, filepath.Join(t.TempDir(), "data"))
	d.awaitLine(`first row after`)
	d.signal(syscall.SIGINT)
	d.awaitLine(`stopping the producer`)
	d.signal(syscall.SIGINT)
	if code := d.exit(); code != exitAbort && code != exitOK { // it may be done before the second one
		t.Errorf("exit code %d, want %d", code, exitAbort)
	}
	d.gone()
}

// TestDemoStoppedEarly: Ctrl-C while the servers start is no failure.
func TestDemoStoppedEarly(t *testing.T) {
	d := startDemo(t, filepath.Join(t.TempDir(), "data"))
	d.stop()
	d.gone()
}

func TestDemoTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	p := start(t, nil, "demo", "--data", t.TempDir(), "--kafka", taken, "--clickhouse", "127.0.0.1:0", "--clickhouse-http", "127.0.0.1:0", "--page", taken)
	if code := p.exit(); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	for _, want := range []string{taken + " is in use by ", "clickstream demo --kafka 127.0.0.1:", " --page 127.0.0.1:"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("the error does not say %q:\n%s", want, p.out)
		}
	}
}

// TestDemoWithoutLibrary: what the engine says reaches the terminal, not a log alone.
func TestDemoWithoutLibrary(t *testing.T) {
	p := start(t, []string{"CLICKSTREAM_ENGINE_LIBRARY=", "XDG_CACHE_HOME=" + t.TempDir(), "HOME=" + t.TempDir()},
		"demo", "--data", t.TempDir(), "--kafka", "127.0.0.1:0", "--clickhouse", "127.0.0.1:0", "--clickhouse-http", "127.0.0.1:0", "--page", "127.0.0.1:0")
	if code := p.exit(); code != exitFailure || !strings.Contains(p.out.String(), "make engine") {
		t.Errorf("exit code %d, want %d and `make engine`:\n%s", code, exitFailure, p.out)
	}
}

// TestDemoOnOtherServers: with KAFKA_BROKERS and CLICKHOUSE_ADDR the demo starts
// the pipelines alone, and counts from where the servers stood.
func TestDemoOnOtherServers(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil)
	s.produce(eventJSON(1), eventJSON(2))
	s.drained()
	consume.stop()
	s.produce(eventJSON(3)) // a backlog, which the demo stores
	data := t.TempDir()
	p := start(t, s.env(), "demo", "--data", data, "--for", "2s", "--page", "")
	p.awaitLine(`kafka ` + regexp.QuoteMeta(s.brokerAddr) + ` \(from KAFKA_BROKERS\) -> clickhouse ` + regexp.QuoteMeta(s.native) + ` \(from CLICKHOUSE_ADDR\)`)
	if code := p.exit(); code != exitOK {
		t.Fatalf("exit code %d, want 0:\n%s", code, p.out)
	}
	d := &demoProc{proc: p, data: data}
	stored, _ := strconv.Atoi(d.sum("stored"))
	if got, want := s.number("SELECT count() FROM clickstream.events"), uint64(stored+2); got != want {
		t.Errorf("the table holds %d rows, want %d: those of the summary and two from before", got, want)
	}
	if _, err := os.Stat(filepath.Join(data, "logs", "broker.log")); err == nil {
		t.Error("the demo started a broker of its own")
	}
}

func TestDemoUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		env, args []string
		want      string
	}{
		"negative rate":     {nil, []string{"--rate", "-1"}, "--rate: want 0 or more"},
		"negative time":     {nil, []string{"--for", "-1s"}, "--for: want a time"},
		"an argument":       {nil, []string{"now"}, `demo: want flags only, got "now"`},
		"unknown flag":      {nil, []string{"--brokers", "x"}, "demo: there is no flag --brokers; `clickstream demo --help` lists the flags"},
		"two brokers":       {[]string{"KAFKA_BROKERS=127.0.0.1:1"}, []string{"--kafka", "127.0.0.1:2"}, "unset one of them"},
		"rate is no number": {[]string{"RATE=fast"}, nil, `demo: RATE in the environment: want a whole number, got "fast"; `},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, tc.env, append([]string{"demo", "--data", t.TempDir()}, tc.args...)...)
			if code := p.exit(); code != exitUsage || !strings.Contains(p.out.String(), tc.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, exitUsage, tc.want, p.out)
			}
		})
	}
}

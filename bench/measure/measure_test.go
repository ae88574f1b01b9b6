package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/schema"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tc := range []struct {
		samples []time.Duration
		q       float64
		want    time.Duration
	}{
		{nil, 0.5, 0},
		{hundred[:1], 0.99, 1},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred, 0, 1},
		{hundred[:10], 0.99, 10},
	} {
		if got := quantile(tc.samples, tc.q); got != tc.want {
			t.Errorf("quantile of %d samples at %g: got %d, want %d", len(tc.samples), tc.q, got, tc.want)
		}
	}
}

func TestRate(t *testing.T) {
	start := time.Unix(0, 0)
	var r rate
	for second, highest := range []int64{10, 12, 12, 17} {
		r.look(highest, start.Add(time.Duration(second)*time.Second))
	}
	if got, want := fmt.Sprintf("%d %.2f %.1f", r.count(), r.perSecond(), r.most), "7 2.33 5.0"; got != want {
		t.Errorf("count, rate, worst: got %s, want %s", got, want)
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat("42 (a) b (c) S 7 42 42 0 -1 0 1 2 3 4 150 50 8 9 20 0 4 0 12345 1 2")
	if want := (process{pid: 42, parent: 7, started: 12345, name: "a) b (c", cpu: 2 * time.Second}); err != nil || got != want {
		t.Errorf("parseStat\n got %+v, %v\nwant %+v", got, err, want)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) S 7 42 42 0 -1 0 1 2 3 4 150 50 8 9 20 0 4 0 12345 1 2")
	f.Fuzz(func(t *testing.T, stat string) {
		if p, err := parseStat(stat); err == nil && (p.pid < 0 || p.parent < 0 || !strings.Contains(stat, p.name)) {
			t.Errorf("parseStat(%q): got %+v", stat, p)
		}
	})
}

func TestUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":     {nil, 2, "usage: measure"},
		"unknown":     {[]string{"speed"}, 2, "usage: measure"},
		"help":        {[]string{"drain", "--help"}, 0, "-fill"},
		"flag":        {[]string{"drain", "--nope"}, 2, "flag provided but not defined: -nope"},
		"no process":  {[]string{"footprint"}, 2, "want --pid of a process"},
		"no window":   {[]string{"freshness", "--for", "0s"}, 2, "--for, --poll and --every: want more than 0"},
		"no database": {[]string{"freshness", "--clickhouse", "127.0.0.1:1"}, 1, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if code := run(t.Context(), tc.args, &out, &out); code != tc.code || !strings.Contains(out.String(), tc.want) {
				t.Errorf("got %d\n%s\nwant %d and %q", code, out.String(), tc.code, tc.want)
			}
		})
	}
}

// A writer whose rows are visible a known time after they were made: the observer
// must neither miss the slow ones nor be too kind.
func TestFreshnessOfAKnownDelay(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	conn := s.Conn(t, db)
	if _, err := schema.Apply(t.Context(), conn, schema.Options{Database: db}); err != nil {
		t.Fatal(err)
	}
	const delay = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan int)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		n := 0
		for ctx.Err() == nil {
			err := conn.Exec(ctx, fmt.Sprintf(`INSERT INTO events (event_id, event_type, timestamp, _offset)
				SELECT generateUUIDv4(), 'purchase', fromUnixTimestamp64Milli(%d), %d + number FROM numbers(3)`, time.Now().Add(-delay).UnixMilli(), rand.Int32()))
			if err == nil {
				n++
			}
			<-tick.C
		}
		written <- n
	}()

	var out bytes.Buffer
	err := freshness(t.Context(), []string{"--clickhouse", s.Native, "--database", db, "--for", "2s"}, &out)
	cancel()
	n := <-written
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	p50 := number(t, out.String(), `p50 ([0-9.]+) ms`)
	if p50 < 200 || p50 > 2000 {
		t.Errorf("p50: got %.1f ms, want 200 and a little more\n%s", p50, out.String())
	}
	if parts := number(t, out.String(), `new parts of events: (\d+)`); parts < 3 || int(parts) > n {
		t.Errorf("new parts: got %.0f, want some of %d inserts\n%s", parts, n, out.String())
	}
}

func number(t *testing.T, text, pattern string) float64 {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("output: got %s\nwant a match of %s", text, pattern)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A shell that starts a child which burns CPU: both must be in the sum.
func TestFootprintOfATree(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("reads /proc/PID/smaps_rollup: Linux only")
	}
	cmd := exec.Command("sh", "-c", "(while :; do :; done) & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		all, _ := tree(cmd.Process.Pid)
		slices.Reverse(all) // children first, else nobody leads to them
		for _, p := range all {
			if child, err := os.FindProcess(p.pid); err == nil {
				_ = child.Kill()
			}
		}
		_ = cmd.Wait()
	})
	var out bytes.Buffer
	if err := footprint(t.Context(), []string{"--pid", strconv.Itoa(cmd.Process.Pid), "--for", "1s", "--every", "200ms"}, &out); err != nil {
		t.Fatal(err)
	}
	if cpu := number(t, out.String(), `footprint over 1s: ([0-9.]+) % of a core`); cpu < 5 || cpu > 130 {
		t.Errorf("CPU: got %.1f %%, want most of a core\n%s", cpu, out.String())
	}
	if memory := number(t, out.String(), `([0-9.]+) MiB on average`); memory <= 0 || memory > 50 {
		t.Errorf("memory: got %.1f MiB, want some of it\n%s", memory, out.String())
	}
	if !strings.Contains(out.String(), "PSS of 2 processes") {
		t.Errorf("processes: want 2\n%s", out.String())
	}
}

func TestCommandName(t *testing.T) {
	for args, want := range map[string]string{
		"bin/clickstream\x00engine\x00--data\x00x\x00":                   "clickstream engine",
		"/a/clickstream\x00-c\x00pipelines/consume.yaml\x00":             "clickstream consume.yaml",
		"/a/clickstream\x00--verbose\x00-c\x00embedded/produce.yaml\x00": "clickstream produce.yaml",
		"sh\x00": "sh",
		"":       "kernel",
	} {
		if got := commandName([]byte(args), "kernel"); got != want {
			t.Errorf("commandName(%q): got %q, want %q", filepath.ToSlash(args), got, want)
		}
	}
}

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clickstream/bench/proc"
)

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
		all, _ := proc.Tree(cmd.Process.Pid)
		slices.Reverse(all) // children first, else nobody leads to them
		for _, p := range all {
			if child, err := os.FindProcess(p.PID); err == nil {
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

// A figure with a viewer is worth nothing if the viewer saw nothing.
func TestViewerWhoIsSentAway(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("reads /proc/PID/smaps_rollup: Linux only")
	}
	for name, c := range map[string]struct {
		page http.HandlerFunc
		want string
	}{
		"stays": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, ""},
		"hung up":  {func(http.ResponseWriter, *http.Request) {}, "hung up"},
		"no board": {http.NotFound, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			page := httptest.NewServer(c.page)
			defer page.Close()
			var out bytes.Buffer
			err := footprint(t.Context(), []string{"--pid", strconv.Itoa(os.Getpid()), "--for", "100ms", "--view", page.URL}, &out)
			if got := fmt.Sprint(err); (err == nil) != (c.want == "") || !strings.Contains(got, c.want) && c.want != "" {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if printed := out.Len() > 0; printed != (c.want == "") {
				t.Errorf("figures printed: got %v, want %v", printed, c.want == "")
			}
		})
	}
}

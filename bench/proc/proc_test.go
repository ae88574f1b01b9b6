package proc

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	got, err := parseStat("42 (a) b (c) S 7 42 42 0 -1 0 1 2 3 4 150 50 8 9 20 0 4 0 12345 1 2")
	if want := (Process{PID: 42, Parent: 7, Started: 12345, Name: "a) b (c", CPU: 2 * time.Second}); err != nil || got != want {
		t.Errorf("parseStat\n got %+v, %v\nwant %+v", got, err, want)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (a) S 7 42 42 0 -1 0 1 2 3 4 150 50 8 9 20 0 4 0 12345 1 2")
	f.Fuzz(func(t *testing.T, stat string) {
		if p, err := parseStat(stat); err == nil && (p.PID < 0 || p.Parent < 0 || !strings.Contains(stat, p.Name)) {
			t.Errorf("parseStat(%q): got %+v", stat, p)
		}
	})
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

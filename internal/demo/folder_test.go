package demo

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clickstream/internal/process"
)

func open(t *testing.T, path string, reset bool) *folder {
	t.Helper()
	f, err := openFolder(path, reset)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.unlock() })
	return f
}

func put(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// --reset deletes what the demo made, not what somebody else put beside or before it.
func TestResetDeletesOnlyItsOwn(t *testing.T) {
	data := t.TempDir()
	put(t, filepath.Join(data, "engine", "mine")) // an engine started by hand, before
	f := open(t, data, false)
	put(t, filepath.Join(data, "broker", "segment"))
	put(t, filepath.Join(data, "notes.txt"))
	if err := f.unlock(); err != nil {
		t.Fatal(err)
	}
	f = open(t, data, true)
	if got := names(t, f.dir(brokerDir)); len(got) != 0 {
		t.Errorf("broker: got %v, want nothing", got)
	}
	if got := names(t, f.dir(engineDir)); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("engine: got %v, want what was there before the demo", got)
	}
	want := []string{markerFile, "broker", "engine", "lock", "logs", "notes.txt", "run"}
	if got := names(t, data); !slices.Equal(got, want) {
		t.Errorf("data folder: got %v, want %v", got, want)
	}
}

func TestResetRefusesAForeignFolder(t *testing.T) {
	data := t.TempDir()
	put(t, filepath.Join(data, "broker", "thesis.tex"))
	_, err := openFolder(data, true)
	if err == nil || !strings.Contains(err.Error(), "no demo filled it: nothing was deleted") {
		t.Errorf("reset: got %v, want a refusal", err)
	}
	if got := names(t, data); !slices.Equal(got, []string{"broker"}) {
		t.Errorf("data folder: got %v, want it as it was", got)
	}
}

// A marker is a text file that anybody can write: it cannot point elsewhere.
func TestResetIgnoresOtherNamesInTheMarker(t *testing.T) {
	outside := t.TempDir()
	data := filepath.Join(outside, "data")
	put(t, filepath.Join(outside, "precious"))
	put(t, filepath.Join(data, "kept"))
	if err := os.WriteFile(filepath.Join(data, markerFile), []byte("../precious\nkept\n.\nrun\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, data, true)
	for _, path := range []string{filepath.Join(outside, "precious"), filepath.Join(data, "kept")} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
}

func TestResetOfNothing(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "new"), true)
	if _, err := os.Stat(f.dir(logsDir)); err != nil {
		t.Error(err)
	}
}

func TestResetWaitsForNobody(t *testing.T) {
	data := t.TempDir()
	f := open(t, data, false)
	unlock, err := process.LockDir(f.dir(brokerDir)) // a broker started by hand
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := f.unlock(); err != nil {
		t.Fatal(err)
	}
	_, err = openFolder(data, true)
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("reset: got %v, want the holder", err)
	}
}

func TestFolderInUse(t *testing.T) {
	data := t.TempDir()
	open(t, data, false)
	_, err := openFolder(data, false)
	if err == nil || !strings.Contains(err.Error(), "in use by process ") || !strings.Contains(err.Error(), "clickstream demo --data "+data+"-2") {
		t.Errorf("second demo: got %v, want the holder and the next step", err)
	}
}

// TestFolderThatCannotBe: no other folder beside it is proposed, it could not be made either.
func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openFolder(filepath.Join(file, "data"), false)
	if err == nil || !strings.HasSuffix(err.Error(), "not a directory: choose another with --data") {
		t.Errorf("folder below a file: got %v, want the cause and the next step", err)
	}
}

func TestSettlePorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken, free, broken := l.Addr().String(), "127.0.0.1:0", "127.0.0.1"
	err = settlePorts([]port{{"kafka", &taken}, {"clickhouse", &free}})
	if err == nil || !strings.HasPrefix(err.Error(), taken+" is in use by ") || !strings.Contains(err.Error(), "\nstop it, or use other ports: clickstream demo --kafka 127.0.0.1:") {
		t.Errorf("a taken port: got %v, want its holder and another command line", err)
	}
	if strings.HasSuffix(free, ":0") {
		t.Errorf("port 0: got %s, want a free one", free)
	}
	if err := settlePorts([]port{{"kafka", &broken}}); err == nil || err.Error() != `--kafka: want host:port such as 127.0.0.1:9092, got "127.0.0.1"` {
		t.Errorf("no port: got %v, want the flag", err)
	}
	addresses, err := freeAddresses(2)
	if err != nil || addresses[0] == addresses[1] {
		t.Errorf("freeAddresses: got %v, %v; want two", addresses, err)
	}
}

func TestTrimLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broker.log")
	f, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := trimLog(path, 100); err != nil {
		t.Fatal(err)
	}
	if got := tail(path, 4); !slices.Equal(got, []string{"two", "three"}) {
		t.Errorf("tail from byte 4: got %q", got)
	}
	if err := trimLog(path, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("four\n"); err != nil { // the child's own descriptor goes on
		t.Fatal(err)
	}
	if got := tail(path, 14); !slices.Equal(got, []string{"four"}) {
		t.Errorf("tail after trimming: got %q", got)
	}
	aside, err := os.ReadFile(path + ".1")
	if err != nil || string(aside) != "two\nthree\n"[0:10] {
		t.Errorf("set aside: got %q, %v; want the last 10 bytes", aside, err)
	}
	if err := trimLog(path+".missing", 10); err != nil {
		t.Errorf("missing log: %v", err)
	}
}

package engine_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clickstream/internal/engine"
	"clickstream/internal/engine/enginetest"
	"clickstream/internal/engine/fence"
	"clickstream/internal/engine/library"
	"clickstream/internal/process"
)

// accepts reports whether something listens on address.
func accepts(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// TestStartErrors: what keeps an engine from starting is told with the next step.
// None of these gets as far as loading the library.
func TestStartErrors(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{})
	_, nativePort, _ := net.SplitHostPort(s.Native)
	for name, tc := range map[string]struct {
		config engine.Config
		want   []string
	}{
		"public address": {engine.Config{Native: "0.0.0.0:0", HTTP: "127.0.0.1:0"},
			[]string{"native", `"0.0.0.0:0"`, "want a loopback address"}},
		"no host": {engine.Config{Native: "127.0.0.1:0", HTTP: ":0"},
			[]string{"http", `":0"`, "want a loopback address"}},
		"not an address": {engine.Config{Native: "127.0.0.1", HTTP: "127.0.0.1:0"},
			[]string{"native", "want host:port"}},
		"port in use": {engine.Config{Native: s.Native, HTTP: "127.0.0.1:0"},
			[]string{"native address 127.0.0.1:" + nativePort + " is in use", "--native"}},
		"folder in use": {engine.Config{Native: "127.0.0.1:0", HTTP: "127.0.0.1:0", Data: s.Data()},
			[]string{fmt.Sprintf("in use by process %d ", s.PID()), "--data"}},
		"no library": {engine.Config{Library: "/missing/libchdb.so"},
			[]string{"/missing/libchdb.so", "--library", "not found"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.config.Data == "" {
				tc.config.Data = t.TempDir()
			}
			err := engine.Run(context.Background(), tc.config, func(engine.Addresses) { t.Error("ready") })
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error: got %v\nwant %q in it", err, want)
				}
			}
		})
	}
}

// TestLock: an engine holds the lock that `clickstream demo --reset` looks for before it
// deletes a folder.
func TestLock(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{})
	if _, err := process.LockDir(s.Data()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d ", s.PID())) {
		t.Errorf("lock of a folder in use: got %v, want its holder", err)
	}
}

// TestHolder: on Linux the error names who has the port.
func TestHolder(t *testing.T) {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("only Linux lists who listens")
	}
	s := enginetest.StartOwn(t, enginetest.Options{})
	err := engine.Run(context.Background(), engine.Config{Data: t.TempDir(), Native: s.Native, HTTP: "127.0.0.1:0"}, nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d (", s.PID())) {
		t.Errorf("error: got %v\nwant the holder's name", err)
	}
}

// TestEngineReason: of a start that fails inside the engine the engine's own words
// reach the user.
func TestEngineReason(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "clickhouse"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := enginetest.TryStart(data); err == nil || !strings.Contains(err.Error(), "clickhouse") {
		t.Errorf("data folder that is a file: got %v", err)
	}
	data = t.TempDir()
	metadata := filepath.Join(data, "clickhouse", "metadata")
	if err := os.MkdirAll(metadata, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(metadata, "broken.sql"), []byte("not SQL"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := enginetest.TryStart(data); err == nil || !strings.Contains(err.Error(), "SYNTAX_ERROR") {
		t.Errorf("broken metadata: got %v\nwant the engine's words", err)
	}
}

// TestWrongLibrary: a file that is no library is named in the error.
func TestWrongLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(path, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(library.Env, path)
	if _, err := enginetest.TryStart(t.TempDir()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error: got %v\nwant %s in it", err, path)
	}
}

// TestNoLibrary: without the library tests say how to get it.
func TestNoLibrary(t *testing.T) {
	t.Setenv(library.Env, "/missing")
	if _, err := enginetest.TryStart(t.TempDir()); err == nil || !strings.Contains(err.Error(), "/missing") {
		t.Errorf("error: got %v", err)
	}
}

// TestPrivate: what the engine stores is its user's alone, and the password shows in no
// argument and not in its environment.
func TestPrivate(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{User: "shop", Password: "planted'secret"})
	s.Query(t, "", "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	s.Query(t, "", "INSERT INTO t SELECT number FROM numbers(1000)")
	s.Query(t, "", "BACKUP TABLE t TO File('b')")
	err := filepath.Walk(s.Data(), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode()&os.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: got mode %v", path, info.Mode())
		}
		if err == nil && info.Mode().IsRegular() {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), s.Password) {
				t.Errorf("%s holds the password", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.PID(), name))
		if os.IsNotExist(err) {
			t.Skip("only Linux shows it")
		}
		if err == nil && strings.Contains(string(text), s.Password) && fence.Available() {
			t.Errorf("%s: got the password", name)
		}
	}
}

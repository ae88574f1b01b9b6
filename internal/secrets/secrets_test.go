package secrets

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func none(string) (string, error) { return "", nil }

// TestDraw: drawn once, each copy for its reader only, and what is given wins, also later.
func TestDraw(t *testing.T) {
	dir := t.TempDir()
	fresh, err := Draw(dir, All, none)
	if err != nil || len(fresh) != len(All) {
		t.Fatalf("first: got %v, %v, want all of %d", fresh, err, len(All))
	}
	drawn := map[string]string{}
	for _, s := range All {
		for _, f := range s.Files {
			text, err := os.ReadFile(filepath.Join(dir, f.Name))
			info, errStat := os.Stat(filepath.Join(dir, f.Name))
			if err := errors.Join(err, errStat); err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o400 || os.Geteuid() == 0 && int(info.Sys().(*syscall.Stat_t).Uid) != f.UID {
				t.Errorf("%s: got %v, want 0400 of user %d", f.Name, info.Mode(), f.UID)
			}
			if old, ok := drawn[s.Variable]; ok && old != string(text) || len(text) != 32 {
				t.Errorf("%s: got %d bytes, its copies differ: %t", f.Name, len(text), ok)
			}
			drawn[s.Variable] = string(text)
		}
	}
	if len(drawn) != len(All) || drawn[All[0].Variable] == drawn[All[1].Variable] {
		t.Errorf("got %d secrets, two of them the same: %t", len(drawn), drawn[All[0].Variable] == drawn[All[1].Variable])
	}
	if fresh, err := Draw(dir, All, none); err != nil || len(fresh) != 0 {
		t.Errorf("again: got %v, %v, want nothing new", fresh, err)
	}
	own := func(variable string) (string, error) {
		return map[string]string{"GRAFANA_CLICKHOUSE_PASSWORD": `own"\'`}[variable], nil
	}
	if fresh, err := Draw(dir, All, own); err != nil || !slices.Equal(fresh, []string{"GRAFANA_CLICKHOUSE_PASSWORD"}) {
		t.Errorf("own: got %v, %v", fresh, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "grafana_clickhouse")); err != nil || string(text) != `own"\'` {
		t.Errorf("own, as Grafana reads it: got %q, %v", text, err)
	}
	if fresh, err := Draw(dir, All, none); err != nil || len(fresh) != 0 {
		t.Errorf("own, then none given: got %v, %v, want it to stay", fresh, err)
	}
	if entries, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestDrawFails: an unreadable file or folder is an error that names it.
func TestDrawFails(t *testing.T) {
	if _, err := Draw(filepath.Join(t.TempDir(), "nowhere"), All, none); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("no folder: got %v", err)
	}
	broken := errors.New("CLICKHOUSE_PASSWORD_FILE: no such file")
	if _, err := Draw(t.TempDir(), All, func(string) (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("a file that is not there: got %v", err)
	}
}

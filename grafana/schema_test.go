package grafana

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// grafanaTypes is a folder with Grafana's published types and TypeScript, which npm puts into
// the user's cache at the first call, by the lock file of testdata/types.
var grafanaTypes = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile("testdata/types/package-lock.json")
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "clickstream", fmt.Sprintf("grafana-types-%x", sha256.Sum256(lock))[:26])
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "grafana-types-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := copyTree(filepath.Join("testdata", "types", name), filepath.Join(fresh, name)); err != nil {
			return "", err
		}
	}
	ci := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
	ci.Dir = fresh
	if out, err := ci.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci of Grafana's types: %w: %s", err, out)
	}
	if err := os.Rename(fresh, folder); err != nil && !isFolder(folder) { // else another test run was first
		return "", err
	}
	return folder, nil
})

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// complaints is what TypeScript says of boards, by name, held against Grafana's types.
func complaints(t *testing.T, boards map[string][]byte) string {
	t.Helper()
	installed, err := grafanaTypes()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	fit, err := os.ReadFile("testdata/types/fit.ts")
	if err != nil {
		t.Fatal(err)
	}
	source := bytes.NewBuffer(fit)
	for name, raw := range boards {
		fmt.Fprintf(source, "\nexport const %s = %s satisfies Board;\n", name, bytes.TrimSpace(raw))
	}
	if err := os.WriteFile(filepath.Join(dir, "boards.ts"), source.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	tsc := exec.Command("node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck",
		"--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--preserveSymlinks", "boards.ts")
	tsc.Dir = dir
	out, err := tsc.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

// TestDashboardsFitGrafanasTypes: every key and value is one that this Grafana knows,
// as far as its types reach.
func TestDashboardsFitGrafanasTypes(t *testing.T) {
	boards := map[string][]byte{}
	for name := range load(t) {
		raw, err := fs.ReadFile(Dashboards(), name)
		if err != nil {
			t.Fatal(err)
		}
		boards[strings.TrimSuffix(name, ".json")] = raw
	}
	if got := complaints(t, boards); got != "" {
		t.Errorf("tsc: got %s\nwant nothing", got)
	}
}

// TestTypesBite: slips that a person makes are complaints, so that the test above
// means something.
func TestTypesBite(t *testing.T) {
	raw, err := fs.ReadFile(Dashboards(), "shop.json")
	if err != nil {
		t.Fatal(err)
	}
	boards := map[string][]byte{}
	want := map[string]string{}
	for name, change := range map[string]struct{ from, to, want string }{
		"unknown_option":  {`"showUnfilled"`, `"showUnfiled"`, "showUnfiled"},
		"unknown_value":   {`"drawStyle": "bars"`, `"drawStyle": "bar"`, `"bar"`},
		"wrong_type":      {`"lineWidth": 1`, `"lineWidth": "1"`, "Type 'string' is not assignable to type 'number'"},
		"other_panel":     {`"pieType": "donut"`, `"graphMode": "area"`, "graphMode"},
		"unknown_key":     {`"graphTooltip"`, `"graphToltip"`, "graphToltip"},
		"unknown_panel":   {`"type": "bargauge"`, `"type": "barguage"`, "barguage"},
		"wrong_threshold": {`"unit": "percentunit"`, `"thresholds": {"mode": "relative", "steps": []}`, "relative"},
	} {
		if !bytes.Contains(raw, []byte(change.from)) {
			t.Fatalf("shop.json holds no %s", change.from)
		}
		boards[name] = bytes.Replace(raw, []byte(change.from), []byte(change.to), 1)
		if !json.Valid(boards[name]) {
			t.Fatalf("%s: no longer JSON", name)
		}
		want[name] = change.want
	}
	got := complaints(t, boards)
	for name, text := range want {
		if !strings.Contains(got, text) {
			t.Errorf("%s: want a complaint with %s in\n%s", name, text, got)
		}
	}
}

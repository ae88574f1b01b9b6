package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemoPassword: with --password the engine lets in who has it, the banner's own
// command does, events flow, and it shows in no argument, environment or file but those
// two that are for it.
func TestDemoPassword(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d := startDemo(t, data, "--password", "--for", "2s")
	d.awaitLine(`first row after`)
	text, err := os.ReadFile(filepath.Join(data, "run", "clickhouse-password"))
	if err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(string(text))
	response, err := http.Get("http://" + d.http + "/?query=SELECT+1")
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a password: got %s, want 401", response.Status)
	}
	command := d.awaitLine(`(?m)^  query +(curl .*)$`)[0]
	if curl, err := exec.LookPath("curl"); err == nil {
		out, err := exec.Command("sh", "-c", strings.Replace(command, "curl", curl+" -sS", 1)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "page_view") {
			t.Errorf("%s: got %s, %v", command, out, err)
		}
	}
	children, _ := filepath.Glob("/proc/[0-9]*/stat")
	seen := 0
	for _, path := range children {
		stat, _ := os.ReadFile(path) // many end meanwhile
		if !strings.Contains(string(stat), fmt.Sprintf(") S %d ", d.cmd.Process.Pid)) && !strings.Contains(string(stat), fmt.Sprintf(") R %d ", d.cmd.Process.Pid)) {
			continue
		}
		seen++
		for _, name := range []string{"environ", "cmdline"} {
			if text, _ := os.ReadFile(filepath.Join(filepath.Dir(path), name)); strings.Contains(string(text), password) {
				t.Errorf("%s of %s: got the password", name, strings.ReplaceAll(string(stat[:min(40, len(stat))]), "\x00", " "))
			}
		}
	}
	if len(children) > 0 && seen == 0 {
		t.Error("no child process was found")
	}
	if code := d.exit(); code != exitOK || strings.Contains(d.out.String(), password) {
		t.Errorf("exit code %d, want 0, and no password in:\n%s", code, d.out)
	}
	err = filepath.WalkDir(data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), "clickhouse-") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), password) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Command mutants takes the project's rules out one by one and runs the tests that should
// turn red. `make mutants` prints which edits survive: a rule without a test. The edits are
// in edits.go, with a reason for each that is known to survive.
//
// Tools for operator mutation turn conditions and drop increments; these are whole rules,
// which somebody wrote down as such.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "run the edits whose name or file contains `TEXT`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	bad := 0
	for _, e := range edits {
		if !strings.Contains(e.file+" "+e.name, *only) || ctx.Err() != nil {
			continue
		}
		verdict, ok := e.judge(ctx)
		if !ok {
			bad++
		}
		fmt.Printf("%-9s %s: %s\n", verdict, e.file, e.name)
	}
	if ctx.Err() != nil || bad > 0 {
		fmt.Printf("%d edits are not as edits.go says\n", bad)
		os.Exit(1)
	}
}

// edit is one rule taken out: old is replaced by new in file, and run in packages should
// fail then.
type edit struct {
	name, file, old, new string
	packages, run        string
	survives             string // why it may; empty: it must not
}

// judge makes the edit in an overlay, which leaves the working tree alone, and runs the
// tests. Not ok: it survives, or it does not though the list says so, or it does not build.
func (e edit) judge(ctx context.Context) (verdict string, ok bool) {
	overlay, remove, err := e.overlay()
	if err != nil {
		return err.Error(), false
	}
	defer remove()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-timeout", "3m", "-run", e.run}, strings.Fields(e.packages)...)...)
	cmd.Env = append(os.Environ(), strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)) // for the binary that a test builds, too
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		fmt.Print(text)
		return "NO BUILD", false
	case strings.Contains(text, "no tests to run"):
		return "NO TEST", false
	case err != nil && e.survives != "":
		return "KILLED", false // take the reason out of the list
	case err != nil:
		return "killed", true
	case e.survives != "":
		return "accepted", true
	}
	return "SURVIVES", false
}

// overlay writes the edited file, and the list that tells the go command of it.
func (e edit) overlay() (list string, remove func(), err error) {
	text, err := e.apply(".")
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	from, err := filepath.Abs(e.file)
	if err == nil {
		to := filepath.Join(dir, filepath.Base(e.file))
		var replace []byte
		if replace, err = json.Marshal(map[string]map[string]string{"Replace": {from: to}}); err == nil {
			list = filepath.Join(dir, "overlay.json")
			err = os.WriteFile(list, replace, 0o600)
		}
		if err == nil {
			err = os.WriteFile(to, []byte(text), 0o600)
		}
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return list, remove, nil
}

// apply returns the file with the edit in it.
func (e edit) apply(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, e.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return "", fmt.Errorf("%s: %s: the text to replace is there %d times, want once", e.file, e.name, n)
	}
	return strings.Replace(string(text), e.old, e.new, 1), nil
}

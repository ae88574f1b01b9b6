// Command keep adds what Go's cache holds of a fuzz test's corpus to the file that the
// repository keeps of it.
//
//	go run ./internal/corpus/keep internal/event FuzzScan
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"clickstream/internal/corpus"
)

// maxEntry is what is kept at most of one input, in bytes: what takes more is seldom
// about the parser.
const maxEntry = 1 << 10

const header = "go test fuzz v1\n"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "keep: want a package's folder and a fuzz test: keep internal/event FuzzScan")
		os.Exit(2)
	}
	if err := keep(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "keep:", err)
		os.Exit(1)
	}
}

func keep(folder, test string) error {
	path := filepath.Join(folder, corpus.Folder, test)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil // not one of those that are kept
	}
	if err != nil {
		return err
	}
	found, err := cached(folder, test)
	if err != nil {
		return err
	}
	entries := append(corpus.Split(string(text)), found...)
	slices.SortFunc(entries, byLength)
	return os.WriteFile(path, []byte(corpus.Join(slices.Compact(entries))), 0o644)
}

func byLength(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// cached returns the entries of Go's cache.
func cached(folder, test string) (entries []string, err error) {
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOCACHE: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "fuzz", "clickstream", folder, test, "*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		entry, ok := strings.CutPrefix(string(text), header)
		if !ok || len(entry) > maxEntry {
			continue
		}
		entry = strings.TrimSuffix(entry, "\n")
		if _, err := corpus.Parse(entry); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

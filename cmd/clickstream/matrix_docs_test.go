package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuaranteesNameTests: every test that docs/guarantees.md names exists, and every
// fault of the matrix has one, but for those that the page says are left out.
func TestGuaranteesNameTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(page), -1)
	if len(names) < 50 {
		t.Errorf("the page names %d tests, want 50 or more", len(names))
	}
	for _, name := range names {
		if !there[name] {
			t.Errorf("docs/guarantees.md names %s, which is no test of this project", name)
		}
	}
	left := map[string]bool{"24": true, "30": true}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|.*\b(?:Test|Fuzz)[A-Z]`).FindAllStringSubmatch(string(page), -1)
	if got, want := len(rows), 30-len(left); got != want {
		t.Errorf("faults with a test\n got %d\nwant %d", got, want)
	}
}

// Package corpus keeps what fuzzing found worth keeping, a file for each fuzz test, so
// that it is tried again by every `go test` and fuzzing starts where it ended last
// (`make fuzz`). Go's own place for that, testdata/fuzz, takes a file for each input:
// thousands.
package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Folder holds a package's files, each named after its fuzz test.
const Folder = "testdata/corpus"

// Add adds the kept inputs of f.
func Add(f *testing.F) {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(Folder, f.Name()))
	if err != nil {
		f.Fatal(err)
	}
	for i, entry := range Split(string(text)) {
		args, err := Parse(entry)
		if err != nil {
			f.Fatalf("%s: entry %d: %v", f.Name(), i+1, err)
		}
		f.Add(args...)
	}
}

// Split returns a file's entries: each is the lines of one input, and an empty line
// ends it.
func Split(text string) (entries []string) {
	for entry := range strings.SplitSeq(text, "\n\n") {
		if entry = strings.Trim(entry, "\n"); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// Join is the opposite of Split.
func Join(entries []string) string {
	if len(entries) == 0 {
		return ""
	}
	return strings.Join(entries, "\n\n") + "\n"
}

// Parse returns the arguments of an entry, a line each, as Go's fuzzing writes them:
// string("...") and []byte("..."), which are the types that our parsers take.
func Parse(entry string) (args []any, err error) {
	for line := range strings.Lines(entry) {
		kind, quoted, ok := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), ")"), "(")
		if !ok {
			return nil, fmt.Errorf("want string(...) or []byte(...), got %.40q", line)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%.40q: %w", line, err)
		}
		switch kind {
		case "string":
			args = append(args, text)
		case "[]byte":
			args = append(args, []byte(text))
		default:
			return nil, fmt.Errorf("want string(...) or []byte(...), got %.40q", line)
		}
	}
	return args, nil
}

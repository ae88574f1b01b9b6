package demo

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxLogBytes bounds one child's log; twice that with the file set aside.
	maxLogBytes = 4 << 20
	// tailBytes and tailLines bound what an error quotes of a log.
	tailBytes = 8 << 10
	tailLines = 6
)

// logPath returns where the child called name writes what it says.
func logPath(dir, name string) string { return filepath.Join(dir, name+".log") }

// openLog opens a child's log for appending. Children write to the file itself:
// a pipe would make them wait whenever the demo is stopped with Ctrl-Z, and their
// last words would be lost with a killed demo.
func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// trimLog sets a log that has grown past limit bytes aside as path.1 and empties
// it. The child keeps its file, opened for appending, and goes on at the start; a
// line written between copy and truncation is lost. A missing file is no error.
func trimLog(path string, limit int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= limit {
		return ignoreMissing(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if int64(len(whole)) > limit {
		whole = whole[int64(len(whole))-limit:]
	}
	if err := os.WriteFile(path+".1", whole, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}

// tail returns the last lines of a log, from byte from on: the most recent run's.
// A log that was trimmed since is read from its start.
func tail(path string, from int64) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	if from > size {
		from = 0
	}
	start := max(from, size-tailBytes)
	buf := make([]byte, size-start)
	n, _ := f.ReadAt(buf, start) // what could be read is better than nothing
	return lastLines(buf[:n], tailLines)
}

// lastLines returns the last limit lines of text that are not blank.
func lastLines(text []byte, limit int) []string {
	var lines []string
	for line := range bytes.Lines(text) {
		if s := strings.TrimRight(string(line), "\r\n\t "); s != "" {
			lines = append(lines, s)
		}
	}
	return lines[max(0, len(lines)-limit):]
}

// quote turns last lines and the log's path into the end of an error.
func quote(lines []string, path string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "\n  %s", line)
	}
	fmt.Fprintf(&b, "\n  (log: %s)", path)
	return b.String()
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

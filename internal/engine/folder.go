package engine

import (
	"os"
	"strings"
)

// fileSize returns the size of the file at path, 0 if there is none.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// reason returns the last error that the engine logged at or behind from, as
// ": text": of a failed start the library tells its caller nothing.
func reason(log string, from int64) string {
	text, err := os.ReadFile(log)
	if err != nil || int64(len(text)) <= from {
		return " (see " + log + ")"
	}
	last := ""
	for line := range strings.Lines(string(text[from:])) {
		if _, message, found := strings.Cut(line, "<Error> "); found {
			last = ": " + strings.TrimSuffix(strings.TrimSpace(message), ", Stack trace (when copying this message, always include the lines below):")
		}
	}
	return last + " (see " + log + ")"
}

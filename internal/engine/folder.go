package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockFolder makes data and takes it for this process. The kernel frees the lock
// with its holder, however that dies; the file holds the holder's pid for people.
func lockFolder(data string) (unlock func(), err error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(data, "engine.pid"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s: lock: %w", data, err)
		}
		text := make([]byte, 32)
		n, _ := f.Read(text)
		return nil, fmt.Errorf("data folder %s is in use by another engine (pid %s): stop it, or choose another folder with --data",
			data, strings.TrimSpace(string(text[:n])))
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return func() { f.Close() }, nil
}

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

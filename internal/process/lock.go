package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFile holds the pid of the process that locked the folder, for the message
// to whoever comes second; the lock itself is the kernel's and dies with us.
const lockFile = "lock"

// ErrInUse is what LockDir's error wraps if another process has the folder.
var ErrInUse = errors.New("in use by")

// LockDir makes dir if need be and locks it for this process until release is
// called or the process ends, however it ends. The error of a folder already
// taken names its holder.
func LockDir(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w: choose another with --data", err)
	}
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w: choose another with --data", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %q: %w %s: stop it, or choose another folder with --data", dir, ErrInUse, lockHolder(path))
		}
		return nil, fmt.Errorf("data folder %q: lock: %w", dir, err)
	}
	// A pid that cannot be written only makes the other process's message poorer.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return f.Close, nil
}

func lockHolder(path string) string {
	raw, _ := os.ReadFile(path)
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return unknownHolder
	}
	return describe(pid)
}

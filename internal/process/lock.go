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
// taken names its holder. The folder, if it is ours, and whatever this process makes
// from now on is for its own user alone: others on the machine have no part in it.
func LockDir(dir string) (release func() error, err error) {
	syscall.Umask(0o077)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w: choose another with --data", err)
	}
	path := filepath.Join(dir, lockFile)
	if err := closeToOthers(dir, path); err != nil {
		return nil, fmt.Errorf("data folder: %w: choose another with --data", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
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

// closeToOthers takes from other users a folder that an earlier version made for all to
// read. One that holds files and no lock of ours is somebody's own, and left as it is.
func closeToOthers(dir, lock string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if err := os.Chmod(lock, 0o600); err != nil && len(entries) > 0 {
		return nil // no lock here, or it is another user's
	}
	return os.Chmod(dir, 0o700)
}

func lockHolder(path string) string {
	raw, _ := os.ReadFile(path)
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return unknownHolder
	}
	return describe(pid)
}

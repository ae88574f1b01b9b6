package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Fetch makes sure that the library is in the cache and returns its path; what it
// does it tells to out. A second call is instant. Any number of processes may fetch
// at once: one downloads, the others wait for it. A fetch that is killed leaves
// nothing that Find would take for a library.
func (l *Library) Fetch(ctx context.Context, out io.Writer) (string, error) {
	if path, err := l.readStamp(); err == nil {
		fmt.Fprintf(out, "engine library is in place\n")
		return path, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("engine library: %w on PATH: install Node.js with npm "+
			"(Debian and Ubuntu: apt-get install npm; macOS: brew install node)", ErrNoNPM)
	}
	if err := os.MkdirAll(l.cache, 0o700); err != nil {
		return "", fmt.Errorf("engine library: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(l.cache, "fetch.lock"), out)
	if err != nil {
		return "", fmt.Errorf("engine library: %w", err)
	}
	defer unlock()
	if path, err := l.readStamp(); err == nil { // another process was first
		return path, nil
	}
	fmt.Fprintf(out, "fetching the engine library %s %s (178 MB) into %s\n", l.pin.Name, l.pin.Version, l.folder)
	if err := l.install(ctx, npm); err != nil {
		return "", fmt.Errorf("engine library %s %s: %w", l.pin.Name, l.pin.Version, err)
	}
	return l.Find()
}

// install downloads into a folder beside the cached one and renames it, so that
// the cached one is whole or absent.
func (l *Library) install(ctx context.Context, npm string) error {
	if old, _ := filepath.Glob(filepath.Join(l.cache, "fetch-*")); old != nil { // of fetches that were killed: we hold the lock
		for _, dir := range old {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp(l.cache, "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // after the rename there is nothing left in it
	if err := l.download(ctx, npm, dir); err != nil {
		return err
	}
	source, err := libraryIn(filepath.Join(dir, "node_modules", filepath.FromSlash(l.pin.Name)))
	if err != nil {
		return err
	}
	ready := filepath.Join(dir, "ready")
	if err := os.Mkdir(ready, 0o700); err != nil {
		return err
	}
	name := filepath.Base(source)
	if err := os.Rename(source, filepath.Join(ready, name)); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(ready, name), 0o700); err != nil {
		return err
	}
	if err := writeStamp(ready, name); err != nil {
		return err
	}
	if err := os.RemoveAll(l.folder); err != nil { // a library that was changed
		return err
	}
	return os.Rename(ready, l.folder)
}

// download lets npm fetch and check the package. --ignore-scripts: nothing of it
// may run here.
func (l *Library) download(ctx context.Context, npm, dir string) error {
	if err := l.pin.write(dir); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
	cmd.Dir, cmd.Env = dir, l.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bytes.Contains(said, []byte("EINTEGRITY")):
		return fmt.Errorf("%w: what npm downloaded is not what package-lock.json pins (%s): "+
			"something between here and the registry changed it; try again, and if it stays so do not use it", ErrChecksum, l.pin.Integrity)
	case err != nil:
		return fmt.Errorf("npm ci: %w: %s", err, summary(said))
	}
	return nil
}

// summary keeps the first lines of npm's complaint: after them comes advice that
// does not fit here.
func summary(said []byte) string {
	var lines []string
	for line := range strings.Lines(string(said)) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "npm error"))
		if line != "" && !strings.HasPrefix(line, "A complete log") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[:min(len(lines), 4)], "; ")
}

// libraryIn returns the shared library in an unpacked package.
func libraryIn(folder string) (string, error) {
	for _, name := range []string{"libchdb.so", "libchdb.dylib"} {
		if path := filepath.Join(folder, name); isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("libchdb.so %w in the package", ErrMissing)
}

// lock waits for the lock file at path. The kernel frees it with its holder.
func lock(ctx context.Context, path string, out io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	wait := time.NewTicker(100 * time.Millisecond)
	defer wait.Stop()
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			fmt.Fprintln(out, "another process is fetching the engine library; waiting for it")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-wait.C:
		}
	}
}

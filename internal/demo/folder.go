package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clickstream/internal/process"
)

// markerFile lists the folders that a demo made inside its data folder. They are
// all that --reset deletes, so a wrong --data cannot cost anybody else's files.
const markerFile = ".clickstream-demo"

const markerHead = "# Folders that `clickstream demo` made here; `clickstream demo --reset` deletes them and nothing else.\n"

// The folders of a data folder.
const (
	brokerDir = "broker"
	engineDir = "engine"
	logsDir   = "logs"
	runDir    = "run" // the pipelines as the children read them
)

var ownDirs = []string{brokerDir, engineDir, logsDir, runDir}

// folder is a data folder that this process has locked.
type folder struct {
	path   string
	unlock func() error
}

// openFolder makes and locks the data folder at path, empties it if asked to, and
// makes the folders within. The error of a folder in use names its holder.
func openFolder(path string, reset bool) (*folder, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder %q: %w", path, err)
	}
	if reset {
		if err := resettable(absolute); err != nil {
			return nil, err
		}
	}
	unlock, err := process.LockDir(absolute)
	if errors.Is(err, process.ErrInUse) {
		return nil, fmt.Errorf("%w: clickstream demo --data %s", err, path+"-2")
	}
	if err != nil {
		return nil, err
	}
	f := &folder{path: absolute, unlock: unlock}
	if reset {
		err = f.reset()
	}
	if err == nil {
		err = f.fill()
	}
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	return f, nil
}

// resettable refuses to empty a folder that holds files and was never a demo's.
func resettable(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return ignoreMissing(err)
	}
	if _, err := os.Stat(filepath.Join(path, markerFile)); err == nil || len(entries) == 0 {
		return nil
	}
	return fmt.Errorf("--reset: %s holds files and no %s, so no demo filled it: nothing was deleted; empty it yourself or choose another folder with --data", path, markerFile)
}

// reset deletes what a demo made here. It first makes sure that nobody runs a
// broker or an engine of his own on it.
func (f *folder) reset() error {
	names, err := f.made()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != brokerDir && name != engineDir {
			continue
		}
		dir := filepath.Join(f.path, name)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		unlock, err := process.LockDir(dir)
		if err != nil {
			return fmt.Errorf("--reset: %w", err)
		}
		defer unlock() //nolint:errcheck // the file is deleted by then
	}
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(f.path, name)); err != nil {
			return fmt.Errorf("--reset: %w", err)
		}
	}
	return ignoreMissing(os.Remove(filepath.Join(f.path, markerFile)))
}

// fill makes the folders that are missing and adds them to the marker.
func (f *folder) fill() error {
	names, err := f.made()
	if err != nil {
		return err
	}
	for _, name := range ownDirs {
		err := os.Mkdir(filepath.Join(f.path, name), 0o700)
		if err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
		if err != nil && !os.IsExist(err) {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	text := markerHead + strings.Join(names, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(f.path, markerFile), []byte(text), 0o600); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// made reads the marker. Names that a demo never makes are left out, whoever
// wrote them: they must not lead --reset outside the folder.
func (f *folder) made() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(f.path, markerFile))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var names []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if slices.Contains(ownDirs, lines.Text()) {
			names = append(names, lines.Text())
		}
	}
	return names, nil
}

// dir returns the path of one of the folders within.
func (f *folder) dir(name string) string { return filepath.Join(f.path, name) }

// write puts a file into the run folder and returns its path.
func (f *folder) write(name, content string) (string, error) {
	path := f.run(name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// run returns the path of a file in the run folder.
func (f *folder) run(name string) string { return filepath.Join(f.path, runDir, name) }

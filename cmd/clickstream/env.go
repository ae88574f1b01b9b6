package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"clickstream/internal/environ"
)

// environment resolves ${NAME} in pipelines, so that what stands in a variable or in a
// file arrives in the field byte for byte.
type environment struct {
	args []string // of the command line, which names the pipelines
	// failed is the first value that could not be had or placed: a lookup has no error to
	// return, and going on without the value would end in a misleading "password rejected".
	failed atomic.Pointer[error]
}

// lookup returns what replaces ${name}. An empty variable counts as unset, as Benthos
// itself has it.
func (e *environment) lookup(_ context.Context, name string) (string, bool) {
	value, err := secret(name)
	if err == nil && value != "" && !environ.Plain(value) {
		if value, err = environ.Quote(value, e.places(name)); err != nil {
			err = fmt.Errorf("%s in the environment cannot be placed: %w", name, err)
		}
	}
	if err != nil {
		e.failed.CompareAndSwap(nil, &err)
		return "", true // or Benthos says beside it that the variable is not set
	}
	return value, value != ""
}

// places are those where the files of the command line ask for a variable. One that
// cannot be read, or is none, asks for nothing; whoever needs it says so.
func (e *environment) places(name string) (all []environ.Place) {
	for _, file := range e.files() {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxConfig {
			continue
		}
		if text, err := os.ReadFile(file); err == nil {
			all = append(all, environ.Places(text)[name]...)
		}
	}
	return all
}

// files are those that the command line names: by themselves, behind a flag, by a pattern,
// or by the folder that they are in.
func (e *environment) files() (all []string) {
	for _, arg := range e.args {
		if _, value, ok := strings.Cut(arg, "="); ok {
			arg = value
		}
		folder, deep := strings.CutSuffix(arg, "...")
		paths, _ := filepath.Glob(filepath.Clean(folder)) // no pattern: no file
		for _, path := range paths {
			if info, err := os.Stat(path); err != nil || !info.IsDir() {
				all = append(all, path)
				continue
			}
			all = append(all, yamlIn(path, deep || e.args[0] == "streams")...)
		}
	}
	return all
}

// yamlIn are the YAML files of a folder, and deeply of the folders in it: three dots ask
// for that, and `streams` does so by itself.
func yamlIn(folder string, deep bool) (all []string) {
	_ = filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && file != folder && !deep:
			return fs.SkipDir
		case filepath.Ext(file) == ".yaml", filepath.Ext(file) == ".yml":
			all = append(all, file)
		}
		return nil
	})
	return all
}

// maxConfig is far above any pipeline, and below a data file that a command line names.
const maxConfig = 4 << 20

// secret returns the variable, or the content of the file that NAME_FILE names:
// orchestrators hand secrets over as files, and a file does not show in the list of
// processes.
func secret(name string) (string, error) {
	if value := os.Getenv(name); value != "" {
		return value, nil
	}
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

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
	if err == nil && value != "" {
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

// places are those where the files of the command line ask for a variable.
func (e *environment) places(name string) (all []environ.Place) {
	for _, arg := range e.args {
		_, value, _ := strings.Cut(arg, "=")
		for _, pattern := range []string{arg, value} {
			paths, _ := filepath.Glob(strings.TrimSuffix(pattern, "/...")) // no pattern: no file
			for _, path := range paths {
				all = append(all, placesBelow(path, name)...)
			}
		}
	}
	return all
}

// placesBelow reads a file, or the configuration files of a folder. One that cannot be
// read, or is none, asks for nothing; whoever needs it says so.
func placesBelow(path, name string) (all []environ.Place) {
	_ = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || file != path && filepath.Ext(file) != ".yaml" && filepath.Ext(file) != ".yml" {
			return nil
		}
		if info, err := d.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > maxConfig {
			return nil
		}
		text, err := os.ReadFile(file)
		if err == nil {
			all = append(all, environ.Places(text)[name]...)
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

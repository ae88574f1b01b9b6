// Package library finds the engine's shared library, and fetches it: 178 MB from
// npm, once, checked against the checksum in the committed package-lock.json, into
// a cache outside the source tree.
package library

import (
	_ "embed" // the lock file
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Env names the environment variable that holds the path of a library to use
// instead of the fetched one.
const Env = "CLICKSTREAM_ENGINE_LIBRARY"

// What can be wrong with a library; the texts that wrap them name the next step.
var (
	// ErrMissing: there is no library at the place in question.
	ErrMissing = errors.New("not found")
	// ErrChanged: the file is not the one that was fetched.
	ErrChanged = errors.New("changed since it was fetched")
	// ErrExposed: another user of the machine can write it, or is its owner.
	ErrExposed = errors.New("is not yours alone to write")
	// ErrChecksum: what npm downloaded is not what the lock file pins.
	ErrChecksum = errors.New("wrong checksum")
	// ErrNotPinned: the lock file holds no checksum for this platform.
	ErrNotPinned = errors.New("no checksum in the lock file")
	// ErrNoNPM: npm is not installed.
	ErrNoNPM = errors.New("npm not found")
)

//go:embed package-lock.json
var lockJSON []byte

// Library is a pinned library and the place it is kept in.
type Library struct {
	cache  string   // folder for all versions
	env    []string // npm's environment; nil is our own
	folder string   // what is cached of this version and platform
	pin    pin
}

// pin is the part of a lock file that concerns one package.
type pin struct {
	Name      string
	Version   string `json:"version"`
	Integrity string `json:"integrity"`
}

// write makes an npm project in dir that needs this package and nothing else. The
// committed one lists it as optional, so that one lock file serves all platforms;
// but of an optional package npm ignores every failure, a wrong checksum too.
func (p pin) write(dir string) error {
	needs := map[string]string{p.Name: p.Version}
	root := map[string]any{"name": "clickstream-engine", "dependencies": needs}
	lock := map[string]any{"name": "clickstream-engine", "lockfileVersion": 3, "requires": true, "packages": map[string]any{
		"":                       root,
		"node_modules/" + p.Name: map[string]string{"version": p.Version, "integrity": p.Integrity},
	}}
	for name, content := range map[string]any{"package.json": root, "package-lock.json": lock} {
		text, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Default is the library of this program's version for this machine, cached under
// os.UserCacheDir. Its errors are those of Host.Check, ErrNotPinned, or that there
// is no home folder.
func Default() (*Library, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("engine library: cache folder: %w (set HOME or XDG_CACHE_HOME)", err)
	}
	return newLibrary(ThisHost(), filepath.Join(cache, "clickstream", "engine"), lockJSON)
}

func newLibrary(host Host, cache string, lock []byte) (*Library, error) {
	if err := host.Check(); err != nil {
		return nil, err
	}
	var file struct{ Packages map[string]pin }
	if err := json.Unmarshal(lock, &file); err != nil {
		return nil, fmt.Errorf("engine library: package-lock.json: %w", err)
	}
	name := packages[host.OS+"/"+host.Arch]
	p := file.Packages["node_modules/"+name]
	p.Name = name
	if p.Integrity == "" {
		return nil, fmt.Errorf("engine library: %s: %w: pin it with `npm install --package-lock-only --force %s@VERSION` in internal/engine/library, "+
			"give a library of your own with --library or %s, or %s", name, ErrNotPinned, name, Env, instead)
	}
	return &Library{
		cache: cache, pin: p,
		folder: filepath.Join(cache, p.Version+"-"+host.OS+"-"+host.Arch),
	}, nil
}

// Find returns the absolute path of the library to load: path if it is not empty,
// else what Env names, else the fetched one, which must still be what was fetched.
func Find(path string) (string, error) {
	from := "--library"
	if path == "" {
		from, path = Env, os.Getenv(Env)
	}
	if path == "" {
		l, err := Default()
		if err != nil {
			return "", err
		}
		return l.Find()
	}
	if err := ThisHost().Check(); err != nil {
		return "", err
	}
	if !isFile(path) {
		return "", fmt.Errorf("engine library %q (from %s): %w: want the path of libchdb.so", path, from, ErrMissing)
	}
	return filepath.Abs(path)
}

// Find returns the path of the fetched library.
func (l *Library) Find() (string, error) {
	path, err := l.readStamp()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("engine library %s %s: %w in %s: fetch it (178 MB, once) with `make engine` or `clickstream engine --fetch`, or name one with --library or %s",
			l.pin.Name, l.pin.Version, ErrMissing, l.folder, Env)
	case err != nil:
		return "", fmt.Errorf("engine library: %w: delete %s and run `make engine` or `clickstream engine --fetch`", err, l.folder)
	}
	return path, nil
}

package library

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// good is a machine that the library runs on.
var good = Host{OS: "linux", Arch: "amd64", V3: true}

func TestHost(t *testing.T) {
	for name, tc := range map[string]struct {
		host Host
		want error
	}{
		"linux":     {good, nil},
		"linux arm": {Host{OS: "linux", Arch: "arm64"}, nil},
		"mac":       {Host{OS: "darwin", Arch: "arm64"}, nil},
		"old CPU":   {Host{OS: "linux", Arch: "amd64"}, ErrCPU},
		"alpine":    {Host{OS: "linux", Arch: "amd64", V3: true, Musl: true}, ErrMusl},
		"windows":   {Host{OS: "windows", Arch: "amd64", V3: true}, ErrPlatform},
		"riscv":     {Host{OS: "linux", Arch: "riscv64"}, ErrPlatform},
	} {
		err := tc.host.Check()
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v\nwant %v", name, err, tc.want)
		}
		if err != nil && !strings.Contains(err.Error(), "CLICKHOUSE_ADDR") {
			t.Errorf("%s: no next step in %v", name, err)
		}
	}
}

func TestMusl(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		want  bool
	}{
		"glibc": {[]string{"lib64/ld-linux-x86-64.so.2"}, false},
		"musl":  {[]string{"lib/ld-musl-x86_64.so.1"}, true},
		"both":  {[]string{"lib/ld-musl-x86_64.so.1", "lib/ld-linux-aarch64.so.1"}, false},
		"mac":   {nil, false},
	} {
		root := t.TempDir()
		for _, file := range tc.files {
			write(t, filepath.Join(root, file), "loader")
		}
		if got := muslIn(root); got != tc.want {
			t.Errorf("%s: got %v\nwant %v", name, got, tc.want)
		}
	}
}

// TestPinned: package.json, the lock file and the table of platforms agree, and the
// lock file names no registry.
func TestPinned(t *testing.T) {
	var want struct{ OptionalDependencies map[string]string }
	text, err := os.ReadFile("package.json")
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(want.OptionalDependencies) == 0 {
		t.Fatal("package.json names no package")
	}
	for platform, name := range packages {
		version, named := want.OptionalDependencies[name]
		system, processor, _ := strings.Cut(platform, "/")
		l, err := newLibrary(Host{OS: system, Arch: processor, V3: true}, t.TempDir(), lockJSON)
		switch {
		case !named && !errors.Is(err, ErrNotPinned):
			t.Errorf("%s: got %v\nwant %v", platform, err, ErrNotPinned)
		case named && err != nil:
			t.Errorf("%s: %v", platform, err)
		case named && (l.pin.Version != version || !strings.HasPrefix(l.pin.Integrity, "sha512-")):
			t.Errorf("%s: got %+v\nwant version %s and a sha512", platform, l.pin, version)
		}
	}
	if bytes.Contains(lockJSON, []byte(`"resolved"`)) || bytes.Contains(lockJSON, []byte("http")) {
		t.Error("package-lock.json names a registry: make it with omit-lockfile-registry-resolved")
	}
}

// registry serves one package as npm expects it and counts the downloads.
type registry struct {
	*httptest.Server
	downloads atomic.Int32
	tarball   []byte
}

const testVersion = "1.2.3"

func newRegistry(t *testing.T) *registry {
	r := &registry{tarball: tarball(t, map[string]string{
		"package/package.json": fmt.Sprintf(`{"name":%q,"version":%q}`, packages["linux/amd64"], testVersion),
		"package/libchdb.so":   "the library",
	})}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.HasSuffix(request.URL.Path, ".tgz") {
			r.downloads.Add(1)
			_, _ = w.Write(r.tarball) // npm tells of a cut answer
			return
		}
		name := packages["linux/amd64"]
		_ = json.NewEncoder(w).Encode(map[string]any{"name": name, "versions": map[string]any{testVersion: map[string]any{
			"name": name, "version": testVersion, "dist": map[string]any{"tarball": r.URL + "/lib.tgz", "integrity": integrity(r.tarball)},
		}}})
	}))
	t.Cleanup(r.Close)
	return r
}

func integrity(data []byte) string {
	sum := sha512.Sum512(data)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	for name, text := range files {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		if err == nil {
			_, err = io.WriteString(archive, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// library pins what the registry serves, in an empty cache.
func (r *registry) library(t *testing.T, integrity string) *Library {
	t.Helper()
	name := packages["linux/amd64"]
	lock := fmt.Sprintf(`{"packages":{"node_modules/%s":{"version":%q,"integrity":%q,"optional":true}}}`, name, testVersion, integrity)
	l, err := newLibrary(good, filepath.Join(t.TempDir(), "cache"), []byte(lock))
	if err != nil {
		t.Fatal(err)
	}
	l.env = append(os.Environ(), "npm_config_registry="+r.URL, "npm_config_cache="+t.TempDir())
	return l
}

func fetchContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestFetch is the whole way with the real npm: absent, fetched, found, in place.
func TestFetch(t *testing.T) {
	r := newRegistry(t)
	l := r.library(t, integrity(r.tarball))
	if _, err := l.Find(); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "clickstream engine --fetch") {
		t.Fatalf("before: got %v\nwant %v and the next step", err, ErrMissing)
	}
	var out strings.Builder
	path, err := l.Fetch(fetchContext(t), &out)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != "the library" {
		t.Errorf("library: got %q, %v", text, err)
	}
	if again, err := l.Fetch(fetchContext(t), &out); again != path || err != nil {
		t.Errorf("second fetch: got %q, %v\nwant %q", again, err, path)
	}
	if got := r.downloads.Load(); got != 1 {
		t.Errorf("downloads: got %d\nwant 1", got)
	}
	if left, _ := filepath.Glob(filepath.Join(l.cache, "fetch-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestFetchTogether: many fetch, one downloads.
func TestFetchTogether(t *testing.T) {
	r := newRegistry(t)
	l := r.library(t, integrity(r.tarball))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := l.Fetch(fetchContext(t), io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := r.downloads.Load(); got != 1 {
		t.Errorf("downloads: got %d\nwant 1", got)
	}
}

// TestWrongChecksum: what does not match the lock file never gets into the cache.
func TestWrongChecksum(t *testing.T) {
	r := newRegistry(t)
	l := r.library(t, integrity([]byte("something else")))
	if _, err := l.Fetch(fetchContext(t), io.Discard); !errors.Is(err, ErrChecksum) {
		t.Errorf("fetch: got %v\nwant %v", err, ErrChecksum)
	}
	if _, err := l.Find(); !errors.Is(err, ErrMissing) {
		t.Errorf("find: got %v\nwant %v", err, ErrMissing)
	}
}

// TestChanged: a library that was changed after the fetch is refused, one that was
// only touched is not, and a fetch puts it right.
func TestChanged(t *testing.T) {
	r := newRegistry(t)
	l := r.library(t, integrity(r.tarball))
	path, err := l.Fetch(fetchContext(t), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"touched":   {"the library", nil},
		"same size": {"THE LIBRARY", ErrChanged},
		"cut":       {"the lib", ErrChanged},
	} {
		write(t, path, tc.text)
		if err := os.Chtimes(path, time.Time{}, time.Unix(1_000_000, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Find(); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v\nwant %v", name, err, tc.want)
		}
	}
	write(t, path, "something else")
	if _, err := l.Fetch(fetchContext(t), io.Discard); err != nil {
		t.Errorf("fetch over a changed library: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "the library" {
		t.Errorf("library: got %q, %v", text, err)
	}
}

// TestForged: another user can neither write the library or its stamp, nor change the
// library so that it looks untouched.
func TestForged(t *testing.T) {
	r := newRegistry(t)
	l := r.library(t, integrity(r.tarball))
	path, err := l.Fetch(fetchContext(t), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, exposed := range []string{filepath.Join(l.folder, stampFile), l.folder, l.cache} {
		before, err := os.Stat(exposed)
		if err == nil {
			err = os.Chmod(exposed, before.Mode()|0o022)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Find(); !errors.Is(err, ErrExposed) {
			t.Errorf("%s for all to write: got %v, want %v", exposed, err, ErrExposed)
		}
		if err := os.Chmod(exposed, before.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o775); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Find(); err != nil {
		t.Errorf("for the group to write: got %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("for the group to write: left as %v, %v", info.Mode(), err)
	}
	write(t, path, "THE LIBRARY")
	if err := os.Chtimes(path, time.Time{}, before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Find(); !errors.Is(err, ErrChanged) {
		t.Errorf("changed, with the old time: got %v, want %v", err, ErrChanged)
	}
}

// TestNoNPM: the error says what to install.
func TestNoNPM(t *testing.T) {
	l := newRegistry(t).library(t, "sha512-x")
	t.Setenv("PATH", t.TempDir())
	if _, err := l.Fetch(t.Context(), io.Discard); !errors.Is(err, ErrNoNPM) || !strings.Contains(err.Error(), "apt-get install npm") {
		t.Errorf("fetch: got %v\nwant %v and how to get it", err, ErrNoNPM)
	}
}

// TestRegistryDown: npm's own words, without its advice.
func TestRegistryDown(t *testing.T) {
	r := newRegistry(t)
	l := r.library(t, integrity(r.tarball))
	r.Close()
	l.env = append(l.env, "npm_config_fetch_retries=0")
	if _, err := l.Fetch(fetchContext(t), io.Discard); err == nil || !strings.Contains(err.Error(), "npm ci") || strings.Contains(err.Error(), "\n") {
		t.Errorf("fetch: got %v\nwant one line about npm ci", err)
	}
}

// TestFind: a path given by hand comes first.
func TestFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libchdb.so")
	write(t, path, "any")
	t.Setenv(Env, "/missing/libchdb.so")
	if got, err := Find(path); got != path || err != nil {
		t.Errorf("--library: got %q, %v", got, err)
	}
	if _, err := Find(""); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), Env) {
		t.Errorf("environment: got %v\nwant %v and the variable's name", err, ErrMissing)
	}
	t.Setenv(Env, path)
	if got, err := Find(""); got != path || err != nil {
		t.Errorf("environment: got %q, %v", got, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

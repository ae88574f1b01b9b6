package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed web
var web embed.FS

// webFiles are the page's own files, by their path in the address.
var webFiles = func() fs.FS {
	dir, err := fs.Sub(web, "web")
	if err != nil {
		panic("page: " + err.Error()) // the folder is part of the binary
	}
	return dir
}()

// contentTypes are written down rather than looked up: the system's table differs
// from machine to machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".json": "application/json", ".webmanifest": "application/manifest+json",
}

// static serves files that never change while the program runs: compressed once,
// and known by their hash, so that a reload costs a 304.
type static map[string]asset

type asset struct {
	kind, tag    string
	plain, small []byte
}

func newStatic(dir fs.FS) (static, error) {
	files := static{}
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		plain, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		kind, ok := contentTypes[path.Ext(name)]
		if !ok {
			kind = "text/plain; charset=utf-8" // a licence
		}
		sum := sha256.Sum256(plain)
		files["/"+name] = asset{kind: kind, tag: hex.EncodeToString(sum[:8]), plain: plain, small: compressed(plain)}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("page files: %w", err)
	}
	files["/"] = files["/index.html"]
	return files, nil
}

func compressed(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is a valid one
	_, _ = w.Write(plain)                                   // a bytes.Buffer takes everything
	_ = w.Close()
	if out.Len() >= len(plain) {
		return nil
	}
	return out.Bytes()
}

func (s static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := s[r.URL.Path]
	if !ok {
		refuse(w, http.StatusNotFound, "the page has no such file")
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache") // ask, and mostly hear 304
	h.Set("Vary", "Accept-Encoding")
	body, tag := a.plain, `"`+a.tag+`"`
	if a.small != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = a.small, `"`+a.tag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the viewer has gone
	}
}

package browser

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// web is the folder of the page's files.
const web = "../web"

// TestVendored holds the vendored files to what npm's package uplot 1.6.32 ships.
func TestVendored(t *testing.T) {
	for name, want := range map[string]string{
		"uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
		"uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
		"uPlot.LICENSE":     "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
	} {
		raw, err := os.ReadFile(filepath.Join(web, "vendor", name))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: sha256\n got %x\nwant %s", name, sum, want)
		}
	}
}

// TestSize: the whole page, every file compressed by itself as the server sends it.
func TestSize(t *testing.T) {
	const limit = 60 << 10
	total := 0
	err := filepath.WalkDir(web, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "LICENSE") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var small bytes.Buffer
		w, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // the level is a valid one
		_, _ = w.Write(raw)                                       // a bytes.Buffer takes everything
		_ = w.Close()
		total += small.Len()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total >= limit {
		t.Errorf("the page is %d bytes compressed, want less than %d", total, limit)
	}
	t.Logf("the page is %d bytes compressed", total)
}

// TestModules runs the tests of the pure modules: formats, axes, layout, series.
func TestModules(t *testing.T) {
	out, err := exec.Command(findTools(t).node, "--test", "scenarios/pure.test.mjs").CombinedOutput()
	if err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}

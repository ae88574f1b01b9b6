package browser

import (
	"crypto/sha256"
	_ "embed" // the lock file
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	//go:embed package.json
	packageFile []byte
	//go:embed package-lock.json
	lockFile []byte
)

// chromes are the browsers that are looked for, the user's own choice first.
var chromes = []string{
	os.Getenv("CHROME"), "google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium",
}

// tools is what Node needs to drive a browser.
type tools struct {
	node   string
	folder string // holds node_modules
	chrome string // "": the one in node_modules
}

// findTools installs what is missing, once for all runs.
func findTools(t *testing.T) tools {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v: install Node.js 20 or later (Debian and Ubuntu: apt-get install npm; macOS: brew install node)", err)
	}
	found := tools{node: node}
	if os.Getenv("CHROME") != "npm" { // npm: as on a machine without a browser
		for _, name := range chromes {
			if path, err := exec.LookPath(name); name != "" && err == nil {
				found.chrome = path
				break
			}
		}
	}
	if found.folder, err = install(found.chrome == ""); err != nil {
		t.Fatal(err)
	}
	return found
}

// install returns the folder with the locked packages, and the browser among them
// if it is wanted. It is whole or absent: npm works beside it, a rename moves it in.
func install(withBrowser bool) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("browser tools: %w", err)
	}
	sum := sha256.Sum256(lockFile)
	folder := filepath.Join(cache, "clickstream", "browser-"+hex.EncodeToString(sum[:6]))
	args := []string{"ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"}
	if withBrowser {
		folder += "-chromium"
	} else {
		args = append(args, "--omit=optional")
	}
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", fmt.Errorf("browser tools: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(folder), "fetch-browser-")
	if err != nil {
		return "", fmt.Errorf("browser tools: %w", err)
	}
	defer os.RemoveAll(work) // after the rename there is nothing of that name
	err = errors.Join(os.WriteFile(filepath.Join(work, "package.json"), packageFile, 0o644),
		os.WriteFile(filepath.Join(work, "package-lock.json"), lockFile, 0o644))
	if err != nil {
		return "", fmt.Errorf("browser tools: %w", err)
	}
	npm := exec.Command("npm", args...)
	npm.Dir = work
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("browser tools: npm ci: %w: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(work, "node_modules", "@sparticuz", "chromium")); withBrowser && err != nil {
		return "", fmt.Errorf("browser tools: npm left the browser out, %w: install Chrome or Chromium instead", err) // optional: npm says nothing
	}
	if err := os.Rename(work, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, other := os.Stat(folder); other != nil { // another test process was first
			return "", fmt.Errorf("browser tools: %w", err)
		}
	}
	return folder, nil
}

package library

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const stampFile = "stamp.json"

// stamp records what the fetched file was. The hash of 566 MB takes half a second,
// so it is computed again only when size or time say that the file was touched.
type stamp struct {
	File     string    `json:"file"`
	Size     int64     `json:"size_bytes"`
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256"`
}

// writeStamp describes the library called name in folder.
func writeStamp(folder, name string) error {
	s, err := measure(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, stampFile), append(text, '\n'), 0o644)
}

// readStamp returns the path of the library in the cache: os.ErrNotExist if there
// is none, ErrChanged if it is not the one that was fetched.
func (l *Library) readStamp() (string, error) {
	text, err := os.ReadFile(filepath.Join(l.folder, stampFile))
	if err != nil {
		return "", err
	}
	var want stamp
	if err := json.Unmarshal(text, &want); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(l.folder, stampFile), err)
	}
	path := filepath.Join(l.folder, filepath.Base(want.File))
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() == want.Size && info.ModTime().Equal(want.Modified) {
		return path, nil
	}
	if info.Size() != want.Size {
		return "", fmt.Errorf("%s %w: want %d bytes, got %d", path, ErrChanged, want.Size, info.Size())
	}
	if got, err := measure(path); err != nil || got.SHA256 != want.SHA256 {
		return "", fmt.Errorf("%s %w: want sha256 %s, got %s", path, ErrChanged, want.SHA256, got.SHA256)
	}
	return path, nil // touched, not changed
}

func measure(path string) (stamp, error) {
	f, err := os.Open(path)
	if err != nil {
		return stamp{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return stamp{}, err
	}
	return stamp{
		File: filepath.Base(path), Size: info.Size(), Modified: info.ModTime(),
		SHA256: hex.EncodeToString(hash.Sum(nil)),
	}, nil
}

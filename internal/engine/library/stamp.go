package library

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const stampFile = "stamp.json"

// Files are those that a start reads of a library that Find has found.
func Files(path string) []string {
	return []string{path, filepath.Join(filepath.Dir(path), stampFile)}
}

// stamp records what the fetched file was. The hash of 566 MB takes half a second, so it
// is computed again only if the file was touched. That shows in Changed, which nobody can
// set, and the stamp itself lies where no other user can write: see private.
type stamp struct {
	File     string    `json:"file"`
	Size     int64     `json:"size_bytes"`
	Modified time.Time `json:"modified"`
	Changed  time.Time `json:"changed"` // of content, name, owner or mode
	Inode    uint64    `json:"inode"`
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
	whole := filepath.Join(folder, fmt.Sprintf("%s.%d", stampFile, os.Getpid())) // others read it meanwhile
	if err := os.WriteFile(whole, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(whole, filepath.Join(folder, stampFile))
}

// readStamp returns the path of the library in the cache: os.ErrNotExist if there
// is none, ErrChanged if it is not the one that was fetched.
func (l *Library) readStamp() (string, error) {
	if err := private(l.cache, l.folder, filepath.Join(l.folder, stampFile)); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(l.folder, stampFile))
	if err != nil {
		return "", err
	}
	var want stamp
	if err := json.Unmarshal(text, &want); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(l.folder, stampFile), err)
	}
	path := filepath.Join(l.folder, filepath.Base(want.File))
	if err := private(path); errors.Is(err, ErrExposed) { // npm leaves it to a group, under umask 002
		_ = os.Chmod(path, 0o700) // what was written meanwhile shows in the hash
	}
	if err := private(path); err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	changed, inode := touched(info)
	if info.Size() == want.Size && info.ModTime().Equal(want.Modified) && changed.Equal(want.Changed) && inode == want.Inode {
		return path, nil
	}
	if info.Size() != want.Size {
		return "", fmt.Errorf("%s %w: want %d bytes, got %d", path, ErrChanged, want.Size, info.Size())
	}
	if got, err := measure(path); err != nil || got.SHA256 != want.SHA256 {
		return "", fmt.Errorf("%s %w: want sha256 %s, got %s", path, ErrChanged, want.SHA256, got.SHA256)
	}
	_ = writeStamp(l.folder, want.File) // touched, not changed; the next start need not look
	return path, nil
}

// private makes sure that no other user can write any of these paths; the first that is
// not there is os.ErrNotExist.
func private(paths ...string) error {
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(stat.Uid) != os.Geteuid() && stat.Uid != 0 || info.Mode().Perm()&0o022 != 0 || info.Mode()&os.ModeSymlink != 0 {
			return fmt.Errorf("%s %w (%v)", path, ErrExposed, info.Mode())
		}
	}
	return nil
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
	changed, inode := touched(info)
	return stamp{
		File: filepath.Base(path), Size: info.Size(), Modified: info.ModTime(), Changed: changed, Inode: inode,
		SHA256: hex.EncodeToString(hash.Sum(nil)),
	}, nil
}

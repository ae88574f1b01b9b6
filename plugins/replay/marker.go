package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// marker is what a replay remembers on the disk. It says: every row before At is
// acknowledged, and was before any offset of Ends was reached by a row from At on.
// That stays true for ever, so an old marker is as right as a new one.
type marker struct {
	Version int    `json:"version"`
	Run     string `json:"run"`
	Files   []file `json:"files"`
	At      place  `json:"at"`
	// Topic, TopicID and Ends are the topic's ends by partition; none without kafka.
	Topic   string          `json:"topic,omitempty"`
	TopicID string          `json:"topic_id,omitempty"`
	Ends    map[int32]int64 `json:"ends,omitempty"`
	// Whole says that Ends are where the topic began: the rows may lie anywhere in it.
	Whole bool `json:"whole,omitempty"`
	// Running is false if the replay that wrote it had nothing on its way.
	Running bool `json:"running"`
}

const markerVersion = 1

// markerError is the error of a marker that does not fit.
func markerError(path, what string) error {
	return fmt.Errorf("marker %s: %s; to send everything anew, remove it and set another run", path, what)
}

// readMarker returns nil if there is none.
func readMarker(path string) (*marker, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("marker: %w", err)
	}
	m := &marker{}
	if err := json.Unmarshal(raw, m); err != nil || m.Version != markerVersion || m.At.File < 0 || m.At.File > len(m.Files) {
		return nil, markerError(path, "is not one of this version")
	}
	return m, nil
}

// fits checks that a marker is of these files: more may have come behind them.
func (m *marker) fits(path string, c *config, files []file) error {
	if m.Run != c.run {
		return markerError(path, fmt.Sprintf("is of run %q", m.Run))
	}
	if m.Topic != c.topic() {
		return markerError(path, fmt.Sprintf("is of topic %q", m.Topic))
	}
	for i, f := range m.Files {
		if i >= len(files) || files[i].Name != f.Name {
			return markerError(path, fmt.Sprintf("has %s as file %d, which is not there now", f.Name, i+1))
		}
		same := files[i].Size == f.Size && files[i].Head == f.Head
		if !same && i >= m.At.File && files[i].Size > f.Size { // it has grown, or was cut off before
			head, err := headOf(files[i].path, f.Size)
			same = err == nil && head == f.Head
		}
		if !same {
			return markerError(path, f.Name+" was changed or packed in another way since")
		}
	}
	return nil
}

// write replaces the marker: whatever is killed, there is the old one or the new one.
func (m *marker) write(path string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	next := path + ".new"
	f, err := os.Create(next)
	if err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	return nil
}

// lockMarker keeps a second replay off the marker, until release or this process' end:
// who has the lock knows that the one before is dead.
func lockMarker(path string) (release func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("marker: %w", err)
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("marker: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("marker %s: another replay uses it: wait for its end or stop it", path)
		}
		return nil, fmt.Errorf("marker %s: lock: %w", path, err)
	}
	return f.Close, nil
}

// newMarker returns one of a replay that is under way.
func (c *config) newMarker(files []file) *marker {
	return &marker{Version: markerVersion, Run: c.run, Files: slices.Clone(files), Topic: c.topic(), Running: true}
}

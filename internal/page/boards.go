package page

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxBoardBytes is far above any dashboard, and below what would hurt to read.
const maxBoardBytes = 4 << 20

// rescan is how old the list of a user's own boards may be: a file that is saved
// shows on the page without a restart.
const rescan = 2 * time.Second

// home is the board to begin with, if it is there.
const home = "clickstream-shop"

// boards are the dashboards to choose from: the shipped ones, then the user's own.
type boards struct {
	shipped fs.FS
	folder  string // "" for none

	mu    sync.Mutex
	read  time.Time
	files []boardFile
}

// boardFile is one file: a board, or why it is none.
type boardFile struct {
	name  string
	stamp string // of size and time of change
	board *Board
	err   error
}

// listed is one entry of the list of boards.
type listed struct {
	UID   string `json:"uid"`
	Title string `json:"title"`
	Error string `json:"error,omitempty"`
}

func (f boardFile) listed() listed {
	if f.err != nil {
		return listed{UID: "file:" + f.name, Title: f.name, Error: f.name + ": " + f.err.Error()}
	}
	return listed{UID: f.board.UID, Title: f.board.Title}
}

// list returns every file, in order, and the uid of the board to begin with.
func (b *boards) list() (list []listed, first string) {
	for _, f := range b.all() {
		list = append(list, f.listed())
	}
	isHome := func(l listed) bool { return l.UID == home }
	switch {
	case slices.ContainsFunc(list, isHome):
		first = home
	case len(list) > 0:
		first = list[0].UID
	}
	return list, first
}

// find returns the board of a uid; the entry tells of a file that is no board.
func (b *boards) find(uid string) (*Board, listed, bool) {
	for _, f := range b.all() {
		if l := f.listed(); l.UID == uid {
			return f.board, l, true
		}
	}
	return nil, listed{}, false
}

// all returns the files, reading those anew that have changed.
func (b *boards) all() []boardFile {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.read.IsZero() && (b.folder == "" || time.Since(b.read) < rescan) {
		return b.files
	}
	b.read = time.Now()
	files := readBoards(b.shipped, "", b.files)
	if b.folder != "" {
		files = append(files, readBoards(os.DirFS(b.folder), b.folder, b.files)...)
	}
	seen := map[string]string{}
	for i := range files {
		f := &files[i]
		if f.board == nil {
			continue
		}
		if other, taken := seen[f.board.UID]; taken {
			f.err = fmt.Errorf("uid %q is that of %s already: give the board one of its own", f.board.UID, other)
			continue
		}
		seen[f.board.UID] = f.name
	}
	b.files = files
	return files
}

// readBoards reads the dashboards of a folder by name; what has not changed since
// before keeps its Board, so that nothing computed for it is lost.
func readBoards(dir fs.FS, prefix string, before []boardFile) []boardFile {
	names, err := fs.Glob(dir, "*.json")
	if _, statErr := fs.Stat(dir, "."); err == nil {
		err = statErr
	}
	if err != nil {
		return []boardFile{{name: prefix, err: err}}
	}
	var files []boardFile
	for _, name := range names {
		f := boardFile{name: filepath.Join(prefix, name)}
		info, err := fs.Stat(dir, name)
		if err == nil {
			f.stamp = fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		}
		i := slices.IndexFunc(before, func(o boardFile) bool { return o.name == f.name && o.stamp == f.stamp })
		switch {
		case err != nil:
			f.err = err
		case i >= 0 && before[i].board != nil:
			f.board = before[i].board
		case info.Size() > maxBoardBytes:
			f.err = fmt.Errorf("want at most %d bytes, got %d", maxBoardBytes, info.Size())
		default:
			f.board, f.err = readBoard(dir, name)
		}
		files = append(files, f)
	}
	return files
}

func readBoard(dir fs.FS, name string) (*Board, error) {
	raw, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	b, err := ParseBoard(raw)
	if err == nil && strings.HasPrefix(b.UID, "file:") {
		return nil, fmt.Errorf("uid %q: want another beginning than file", b.UID)
	}
	return b, err
}

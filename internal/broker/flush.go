package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// flusher lets answers to producers wait until their records are on disk, so that a
// power cut takes nothing that was acknowledged. One flush serves all who wait for
// it (group commit): those who come while it runs share the next.
type flusher struct {
	dir  string
	warn *sparse
	sync func(*os.File) error // (*os.File).Sync, but for tests

	mu      sync.Mutex
	more    sync.Cond
	round   *flush // the next one
	closing bool
	done    chan struct{}

	// of the goroutine that flushes:
	names map[[16]byte]string
	tails map[place]tail
}

// flush is one round: its partitions, and who is told when they are on disk.
type flush struct {
	places map[written]struct{}
	done   chan struct{}
	err    error
}

// place is a partition.
type place struct {
	topic  string
	number int32
}

// tail is what is known of a partition's folder.
type tail struct {
	newest *os.File // segment
	base   int64    // of newest
	folder os.FileInfo
	listed time.Time
}

// flushEvery is the least time between the beginnings of two rounds: those who wait one
// at a time would make a round each, and an output with one batch in flight, such as
// ours, is as slow as its answers.
const flushEvery = 2 * time.Millisecond

func newFlusher(dir string, warn *sparse) *flusher {
	f := &flusher{
		dir: dir, warn: warn, sync: (*os.File).Sync, done: make(chan struct{}),
		names: map[[16]byte]string{}, tails: map[place]tail{},
	}
	f.more.L = &f.mu
	go f.run()
	return f
}

// join returns the round that will have these partitions on disk.
func (f *flusher) join(wrote []written) *flush {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.round == nil {
		f.round = &flush{places: map[written]struct{}{}, done: make(chan struct{})}
		f.more.Signal()
	}
	for _, w := range wrote {
		f.round.places[w] = struct{}{}
	}
	return f.round
}

func (f *flusher) run() {
	defer close(f.done)
	var begin time.Time
	for {
		f.mu.Lock()
		for f.round == nil && !f.closing {
			f.more.Wait()
		}
		if f.round == nil {
			f.mu.Unlock()
			break
		}
		f.mu.Unlock()
		time.Sleep(time.Until(begin.Add(flushEvery))) // more join meanwhile
		begin = time.Now()
		f.mu.Lock()
		round := f.round
		f.round = nil
		f.mu.Unlock()
		round.err = f.flush(round.places)
		if round.err != nil {
			clear(f.tails) // what was not flushed is to be found again
			f.warn.warn("records not on disk, their producers are cut off and send them again", "cause", round.err)
		}
		close(round.done)
	}
	for _, t := range f.tails {
		t.newest.Close()
	}
}

func (f *flusher) close() {
	f.mu.Lock()
	f.closing = true
	f.more.Signal()
	f.mu.Unlock()
	<-f.done
}

// flush brings these partitions to disk, all at a time: the file system joins what
// it has to do for them.
func (f *flusher) flush(places map[written]struct{}) error {
	var files []*os.File
	for w := range places {
		p, err := f.place(w)
		if err != nil {
			return err
		}
		if p.topic == "" {
			continue // an unknown topic: the answer says so
		}
		more, err := f.unflushed(p)
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	errs := make([]error, len(files))
	var wait sync.WaitGroup
	for i, file := range files {
		wait.Go(func() {
			if err := f.sync(file); err != nil {
				errs[i] = fmt.Errorf("flush %s: %w", file.Name(), err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// place finds a topic's name by its id, which is in kfake's list as soon as there is
// a topic.
func (f *flusher) place(w written) (place, error) {
	if w.topic != "" {
		return place{w.topic, w.number}, nil
	}
	name, ok := f.names[w.id]
	if !ok {
		topics, err := readTopics(f.dir)
		if err != nil {
			return place{}, err
		}
		for _, t := range topics {
			if id, ok := t.id(); ok {
				f.names[id] = t.Name
			}
		}
		name = f.names[w.id]
	}
	return place{name, w.number}, nil
}

// settled is how long a folder's time of change must lie back for its list of files
// to be complete: the kernel's clock for files ticks in some milliseconds.
const settled = 100 * time.Millisecond

// unflushed returns the files that may hold what is not on disk yet: the segment that
// was the newest at the last flush, and all that came since. A segment is begun
// without a word; the folder's time of change tells.
func (f *flusher) unflushed(p place) ([]*os.File, error) {
	path := partitionPath(f.dir, p)
	folder, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was ever written: the answer says why
	}
	if err != nil {
		return nil, err
	}
	known, ok := f.tails[p]
	same := ok && os.SameFile(known.folder, folder)
	if same && known.folder.ModTime().Equal(folder.ModTime()) && known.listed.Sub(folder.ModTime()) > settled {
		return []*os.File{known.newest}, nil
	}
	from := int64(-1)
	if same {
		from = known.base
	}
	return f.list(p, path, tail{folder: folder, listed: time.Now()}, from)
}

// list opens the segments of a partition from the one at from on, or the last two.
// What was open is closed by a finalizer at the latest: a round may still use it.
func (f *flusher) list(p place, path string, now tail, from int64) ([]*os.File, error) {
	segments, err := logFiles(path)
	if err != nil || len(segments) == 0 {
		return nil, err
	}
	first := max(len(segments)-2, 0)
	for from >= 0 && first > 0 && segments[first].BaseOffset > from {
		first--
	}
	var files []*os.File
	for _, s := range segments[first:] {
		file, err := os.Open(filepath.Join(path, strconv.FormatInt(s.BaseOffset, 10)+".dat"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile, so read by everyone
		}
		if err != nil {
			return nil, err
		}
		files = append(files, file)
		now.newest, now.base = file, s.BaseOffset
	}
	if now.newest == nil {
		return nil, nil
	}
	f.tails[p] = now
	folders := []string{path, filepath.Dir(path), f.dir}
	for _, name := range folders {
		folder, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		files = append(files, folder)
	}
	return files, nil
}

func partitionPath(dir string, p place) string {
	return filepath.Join(dir, "partitions", url.PathEscape(p.topic)+"-"+strconv.Itoa(int(p.number)))
}

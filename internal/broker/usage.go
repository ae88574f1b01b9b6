package broker

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// indexEntry is the size in bytes of what kfake writes to a segment's .idx file
// for each record batch (indexEntrySize of its persist.go).
const indexEntry = 15

// segment is one log file of a partition.
type segment struct {
	base    int64 // offset of its first record
	bytes   int64 // size of the log file and its index
	batches int64
}

// partition is what one partition has on disk, oldest segment first; records are
// appended to the last.
type partition struct {
	topic    string
	number   int32
	segments []segment
}

// usage is what the data folder holds.
type usage struct {
	bytes, batches int64
	partitions     []partition
}

// readUsage measures the data folder. kfake has no call for it, and the names and
// sizes of its files say all: partitions/<topic>-<number>/<first offset>.dat with
// its .idx. Files that go away meanwhile are not counted.
func readUsage(dir string) (usage, error) {
	var u usage
	u.bytes = looseBytes(dir)
	dirs, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil // no record yet
	}
	if err != nil {
		return u, err
	}
	for _, d := range dirs {
		topic, number, ok := splitPartition(d.Name())
		if !ok {
			continue
		}
		p := partition{topic: topic, number: number, segments: readSegments(filepath.Join(dir, "partitions", d.Name()))}
		for _, s := range p.segments {
			u.bytes += s.bytes
			u.batches += s.batches
		}
		u.partitions = append(u.partitions, p)
	}
	return u, nil
}

// looseBytes sums the files beside the partitions: groups, producers, topics.
func looseBytes(dir string) (sum int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
	}
	return sum
}

// splitPartition takes apart a folder name such as "clickstream-dead-letters-2".
func splitPartition(name string) (topic string, number int32, ok bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash < 1 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || n < 0 {
		return "", 0, false
	}
	topic, err = url.PathUnescape(name[:dash])
	return topic, int32(n), err == nil
}

func readSegments(dir string) []segment {
	entries, _ := os.ReadDir(dir)
	byBase := map[int64]*segment{}
	for _, e := range entries {
		name, ext, _ := strings.Cut(e.Name(), ".")
		base, err := strconv.ParseInt(name, 10, 64)
		if err != nil || ext != "dat" && ext != "idx" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		s := byBase[base]
		if s == nil {
			s = &segment{base: base}
			byBase[base] = s
		}
		s.bytes += info.Size()
		if ext == "idx" {
			s.batches = info.Size() / indexEntry
		}
	}
	segments := make([]segment, 0, len(byBase))
	for _, s := range byBase {
		segments = append(segments, *s)
	}
	slices.SortFunc(segments, func(a, b segment) int { return int(min(max(a.base-b.base, -1), 1)) })
	return segments
}

package replay

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// file is one file to be replayed, and what tells it from another.
type file struct {
	path string
	// Name is the file's name without folder and .gz or .zst: ids of rows are made of
	// it, so that a file packed or moved is the same.
	Name string `json:"name"`
	// Size is in bytes as it lies on the disk.
	Size int64 `json:"size"`
	// Head is a hash of its first 64 KiB.
	Head   string `json:"head"`
	format string // csv or ndjson
	codec  string // .gz, .zst or none
}

const headBytes = 64 << 10

// findFiles returns the files that the patterns name, in the order of the patterns and
// sorted within each. format is auto, csv or ndjson.
func findFiles(patterns []string, format string) (files []file, err error) {
	names := map[string]string{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("paths: %q: %w", pattern, err)
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("paths: %q: no such file: name a file, or a pattern that some files fit", pattern)
		}
		slices.Sort(paths)
		for _, path := range paths {
			f, err := lookAt(path, format)
			if err != nil {
				return nil, err
			}
			if other, twice := names[f.Name]; twice {
				return nil, fmt.Errorf("paths: %s and %s are both called %s: event ids are made of names, so rename one of them", other, path, f.Name)
			}
			names[f.Name] = path
			files = append(files, f)
		}
	}
	return files, nil
}

// lookAt finds out what a file is.
func lookAt(path, format string) (file, error) {
	f := file{path: path, Name: filepath.Base(path), format: format}
	if ext := filepath.Ext(f.Name); ext == ".gz" || ext == ".zst" {
		f.codec, f.Name = ext, strings.TrimSuffix(f.Name, ext)
	}
	if format == "auto" {
		switch strings.ToLower(filepath.Ext(f.Name)) {
		case ".csv", ".tsv":
			f.format = "csv"
		case ".ndjson", ".jsonl", ".json":
			f.format = "ndjson"
		default:
			return f, fmt.Errorf("%s: want a name that ends in .csv, .tsv, .ndjson, .jsonl or .json, perhaps with .gz or .zst: set format", path)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return f, err // names the file
	}
	if !info.Mode().IsRegular() {
		return f, fmt.Errorf("%s: want a regular file: a resumed replay reads it again", path)
	}
	f.Size = info.Size()
	f.Head, err = headOf(path, f.Size)
	return f, err
}

// headOf returns a hash of a file's first bytes, of at most size of them.
func headOf(path string, size int64) (string, error) {
	r, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	head := make([]byte, min(size, headBytes))
	if _, err := io.ReadFull(r, head); err != nil && size > 0 {
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return fmt.Sprintf("%016x", xxhash.Sum64(head)), nil
}

// opened is a file while it is read.
type opened struct {
	rows
	feed  *feed
	close func()
	taken *atomic.Int64 // bytes read from the disk
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// open opens a file, reads its header and goes to an offset of the unpacked bytes; 0
// is the first row.
func (c *config) open(f file, offset int64) (*opened, error) {
	disk, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	o := &opened{close: func() { disk.Close() }, taken: new(atomic.Int64)}
	var r io.Reader = disk
	switch f.codec {
	case ".gz":
		if r, err = gzip.NewReader(counted{disk, o.taken}); err != nil {
			disk.Close()
			return nil, fmt.Errorf("%s: gzip: %w", f.path, err)
		}
	case ".zst":
		z, err := zstd.NewReader(counted{disk, o.taken}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			disk.Close()
			return nil, fmt.Errorf("%s: zstd: %w", f.path, err)
		}
		r, o.close = z, func() { z.Close(); disk.Close() }
	}
	o.feed = newFeed(r, c.maxRow)
	o.feed.skipBOM()
	if err := c.header(o, f); err != nil {
		o.close()
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if offset > o.feed.offset {
		if err := o.feed.skipTo(offset); err != nil {
			o.close()
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return o, nil
}

// header makes the rows of a file. A file without a byte has no rows.
func (c *config) header(o *opened, f file) error {
	if f.format == "ndjson" {
		o.rows = newDocuments(o.feed, c.mapping.names)
		return nil
	}
	delimiter := c.delimiter
	if delimiter == 0 {
		if delimiter = ','; strings.EqualFold(filepath.Ext(f.Name), ".tsv") {
			delimiter = '\t'
		}
	}
	t := &table{csv: csvRows{feed: o.feed, delimiter: delimiter}}
	o.rows = t
	_, ok, err := t.csv.next()
	if errors.Is(err, io.EOF) && o.feed.offset == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if !ok {
		return errors.New("header: quotes that do not fit")
	}
	t.width = len(t.csv.fields)
	for _, name := range c.mapping.names {
		at := -1
		for i, column := range t.csv.fields {
			if string(column) != name {
				continue
			}
			if at >= 0 {
				return fmt.Errorf("header: column %q stands there twice", name)
			}
			at = i
		}
		if at < 0 {
			return fmt.Errorf("header: no column %q among %d: %s", name, t.width, advice(t.csv.fields))
		}
		t.columns = append(t.columns, at)
	}
	return nil
}

// advice is what to do about a header that misses a column.
func advice(columns [][]byte) string {
	for _, c := range columns {
		if strings.IndexByte(string(c), 0) >= 0 {
			return "the file looks like UTF-16, convert it to UTF-8"
		}
	}
	if len(columns) == 1 {
		return "the first line must name the columns, or set delimiter"
	}
	return "the first line must name the columns as the mapping does"
}

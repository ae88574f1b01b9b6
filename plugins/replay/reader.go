package replay

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// place is where a replay stands: before a row of a file.
type place struct {
	// File counts from 0; that of the last file plus one is the end.
	File int `json:"file"`
	// Row is how many rows of the file lie before; blank lines and the header are none.
	Row int64 `json:"row"`
	// Offset is in the unpacked bytes of the file; 0 is the first row.
	Offset int64 `json:"offset"`
}

// reader walks through the rows of all files.
type reader struct {
	config *config
	files  []file
	at     place // before the next row
	open   *opened

	raw   []byte // of the current row
	wrong fault  // of the current row as a whole
	done  int64  // bytes on the disk of the files that are read
	taken atomic.Int64
}

// next goes on to the next row. Its errors name file and row; io.EOF is the end of the
// last file.
func (r *reader) next() error {
	for r.at.File < len(r.files) {
		f := &r.files[r.at.File]
		if r.open == nil {
			o, err := r.config.open(*f, r.at.Offset)
			if err != nil {
				return err
			}
			r.open = o
		}
		var err error
		r.raw, r.wrong, err = r.open.next()
		if err == nil {
			r.at.Row++
			r.at.Offset = r.open.offset()
			r.count(f)
			return nil
		}
		if !errors.Is(err, io.EOF) {
			return r.fails(f, err)
		}
		r.close()
		r.done += f.Size
		r.taken.Store(r.done)
		r.at = place{File: r.at.File + 1}
	}
	return io.EOF
}

func (r *reader) fails(f *file, err error) error {
	switch {
	case errors.Is(err, errLong):
		err = fmt.Errorf("longer than %d bytes: mend the row, or raise max_row_bytes", r.config.maxRow)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the file is cut off: what lies before this row is sent; get the whole file and start again")
	}
	return fmt.Errorf("%s, row %d: %w", f.path, r.at.Row+1, err)
}

// count notes how far we are, for the progress bar.
func (r *reader) count(f *file) {
	if f.codec == "" {
		r.taken.Store(r.done + r.at.Offset)
		return
	}
	r.taken.Store(r.done + r.open.taken.Load())
}

func (r *reader) close() {
	if r.open != nil {
		r.open.close()
		r.open = nil
	}
}

// total is the size of all files on the disk.
func (r *reader) total() (n int64) {
	for _, f := range r.files {
		n += f.Size
	}
	return n
}

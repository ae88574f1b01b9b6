package front

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/ClickHouse/ch-go/compress"
)

// decompressed reads ClickHouse's own frames.
func decompressed(r io.Reader) io.Reader { return frames{compress.NewReader(&arrived{in: r})} }

// frames turns ch-go's wrapped end of input into io.EOF; a frame that was cut
// stays io.ErrUnexpectedEOF.
type frames struct{ r io.Reader }

func (f frames) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// A frame begins with a checksum of 16 bytes, the method, and its size on the wire from
// there on; how large it becomes follows.
const (
	frameHeader  = 25
	frameSizeAt  = 17
	frameCounted = 9         // of the header, in that size
	frameMost    = 128 << 20 // what ch-go takes
)

// arrived hands on frames that have arrived as a whole: ch-go reserves what a header
// announces, and a client may announce 128 MiB and send nothing.
type arrived struct {
	in   io.Reader
	have bytes.Buffer
}

func (a *arrived) Read(p []byte) (int, error) {
	if a.have.Len() == 0 {
		a.have.Reset()
		if err := a.next(); err != nil {
			return 0, err
		}
	}
	return a.have.Read(p)
}

// next reads a frame; one that is too large is left to ch-go to refuse.
func (a *arrived) next() error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(a.in, header[:]); err != nil {
		return err
	}
	a.have.Write(header[:])
	size := int64(binary.LittleEndian.Uint32(header[frameSizeAt:])) - frameCounted
	if size < 0 || size > frameMost {
		return nil
	}
	if _, err := io.CopyN(&a.have, a.in, size); err != nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Package wire reads the pieces of ClickHouse's native protocol that the front
// needs: numbers and strings of packets, and where a block of columns ends. It
// never builds the columns: their bytes go from the socket to the engine as they
// are, so an insert costs the front a walk over its lengths and no memory.
package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxString bounds the length of a string in a packet (a query, a setting), 64 MiB:
// a length is read before its bytes, and must not make us reserve what never comes.
const MaxString = 64 << 20

// ErrMalformed is wrapped by every error about bytes that are not the protocol.
var ErrMalformed = errors.New("malformed native protocol data")

// Uvarint reads a variable length integer.
func Uvarint(r *bufio.Reader) (uint64, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return n, err
}

// String reads a length of at most limit and as many bytes.
func String(r *bufio.Reader, limit int) (string, error) {
	n, err := Uvarint(r)
	if err != nil {
		return "", err
	}
	if n > uint64(limit) {
		return "", fmt.Errorf("%w: string of %d bytes, want at most %d", ErrMalformed, n, limit)
	}
	if b, err := r.Peek(int(min(n, 4096))); uint64(len(b)) == n && err == nil {
		text := string(b)
		_, err = r.Discard(len(b))
		return text, err
	}
	var text []byte // grows as bytes come
	for uint64(len(text)) < n {
		piece := make([]byte, min(n-uint64(len(text)), max(4096, uint64(len(text)))))
		if _, err := io.ReadFull(r, piece); err != nil {
			return "", short(err)
		}
		text = append(text, piece...)
	}
	return string(text), nil
}

// short makes an end in the middle of something unmistakable.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

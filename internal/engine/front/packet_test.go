package front

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/ClickHouse/ch-go/compress"

	"clickstream/internal/corpus"
	"clickstream/internal/engine/wire"
)

// FuzzQueryPacket: whatever a client sends for a query is read or refused, and takes no
// more memory than what was sent.
func FuzzQueryPacket(f *testing.F) {
	corpus.Add(f)
	f.Add(append(wire.AppendString(nil, "id"), 0, 0, 0, 2, 0, 8, 'S', 'E', 'L', 'E', 'C', 'T', ' ', '1'))
	f.Fuzz(func(_ *testing.T, packet []byte) {
		_, _ = readQuery(bufio.NewReader(bytes.NewReader(packet)))
		_, _, _, _ = (&nativeConn{in: bufio.NewReader(bytes.NewReader(packet))}).readHello()
	})
}

// FuzzFrames: whatever comes as compressed data is read or refused.
func FuzzFrames(f *testing.F) {
	corpus.Add(f)
	w := compress.NewWriter(compress.LevelZero, compress.LZ4)
	if err := w.Compress([]byte("some rows, some rows")); err != nil {
		f.Fatal(err)
	}
	f.Add(w.Data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = io.CopyN(io.Discard, decompressed(bytes.NewReader(data)), 1<<20)
	})
}

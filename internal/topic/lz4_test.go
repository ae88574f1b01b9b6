package topic

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// frame compresses with the library's own writer.
func frame(t testing.TB, data []byte, options ...lz4.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(options...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnframe(t *testing.T) {
	random := make([]byte, 300_000)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(random) // it cannot fail
	for name, data := range map[string][]byte{
		"nothing": nil, "a byte": {7}, "text": []byte(strings.Repeat("event ", 50_000)), "random": random,
		"both": append(bytes.Repeat([]byte("x"), 9_000_000), random...),
	} {
		for kind, options := range map[string][]lz4.Option{
			"as franz-go writes": {lz4.BlockSizeOption(lz4.Block4Mb)},
			"as Java writes":     {lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
			"with all sums":      {lz4.BlockSizeOption(lz4.Block256Kb), lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(data)))},
		} {
			got, err := unframe(nil, frame(t, data, options...))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %s: got %d bytes, %v, want %d", name, kind, len(got), err, len(data))
			}
		}
	}
}

// TestUnframeLinked: blocks that refer to those before them, as the lz4 command writes.
func TestUnframeLinked(t *testing.T) {
	// 64 KiB of text stored, then a block that repeats its last four bytes ten times.
	text := bytes.Repeat([]byte("abcd"), 16<<10)
	src := []byte{0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0}
	src = append(src, 0, 0, 1, 0x80)
	src = append(src, text...)
	src = append(src, 9, 0, 0, 0, 0x0f, 4, 0, 16, 0x50, 'v', 'w', 'x', 'y') // match of 4+15+16, then 5 literals
	src = append(src, 'z', 0, 0, 0, 0)
	src[len(src)-18] = 10 // the block's length
	want := append(append([]byte{}, text...), bytes.Repeat([]byte("abcd"), 9)[:35]...)
	want = append(want, "vwxyz"...)
	got, err := unframe(nil, src)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("linked blocks: got %d bytes, %v, want %d", len(got), err, len(want))
	}
}

func TestUnframeRefuses(t *testing.T) {
	whole := frame(t, bytes.Repeat([]byte("event "), 5000))
	for i := range len(whole) - 4 { // the end mark, and a checksum that nobody reads
		if got, err := unframe(nil, whole[:i]); err == nil {
			t.Fatalf("the first %d bytes of %d: got %d bytes, want an error", i, len(whole), len(got))
		}
	}
	bomb := frame(t, make([]byte, mostDecompressed+1))
	if _, err := unframe(nil, bomb); !errors.Is(err, kgo.ErrMaxDecompress) {
		t.Errorf("%d bytes that become %d: got %v, want %v", len(bomb), mostDecompressed+1, err, kgo.ErrMaxDecompress)
	}
}

// FuzzUnframe holds unframe against the library's reader: what that takes, gives the
// same bytes. (It is stricter: it compares checksums.)
func FuzzUnframe(f *testing.F) {
	f.Add(frame(f, []byte("event event event event event")), 0)
	f.Add(frame(f, bytes.Repeat([]byte("x"), 100_000), lz4.BlockSizeOption(lz4.Block64Kb)), 10)
	f.Fuzz(func(t *testing.T, src []byte, room int) {
		got, err := unframe(make([]byte, 0, max(0, room%4096)), src)
		want, wantErr := io.ReadAll(io.LimitReader(lz4.NewReader(bytes.NewReader(src)), mostDecompressed))
		if wantErr != nil || len(src) < 7 || !bytes.HasPrefix(src, []byte{0x04, 0x22, 0x4d, 0x18}) {
			return
		}
		if src[4]&dictionaryID == 0 && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("unframe(%x)\n got %d bytes, %v\nwant %d", src, len(got), err, len(want))
		}
	})
}

package topic

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// decompressor reads lz4, the default of our producers, block by block into the memory
// that the records stay in. The library's stream reader goes through a buffer of the
// largest block that a frame may hold, 4 MiB, and sums up every byte a second time:
// Kafka's own checksum covers the whole batch already.
type decompressor struct {
	pools  *Pools
	others kgo.Decompressor
}

// NewDecompressor makes one that decompresses into memory of the pools.
func NewDecompressor(p *Pools) kgo.Decompressor {
	return &decompressor{pools: p, others: kgo.DefaultDecompressor(p)}
}

// Decompress implements kgo.Decompressor.
func (d *decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec != kgo.CodecLz4 {
		return d.others.Decompress(src, codec)
	}
	return unframe(d.pools.GetDecompressBytes(src, codec), src)
}

// mostDecompressed bounds what one batch may grow to: franz-go's default for
// MaxDecompressBatchBytes would take more than a consumer has.
const mostDecompressed = 256 << 20

var (
	errFrame = errors.New("lz4: not a frame")
	errShort = errors.New("lz4: frame ends too soon")
)

// An lz4 frame (lz4_Frame_format.md, version 1.6): magic, flags, the size of blocks,
// perhaps the content's size and a dictionary, a checksum of the header; then blocks
// with their size in front, the top bit set if they are stored as they are; then zero.
const (
	frameMagic    = 0x184d2204
	linkedBlocks  = 1 << 5 // if it is not set
	blockChecksum = 1 << 4
	contentSize   = 1 << 3
	dictionaryID  = 1 << 0
	storedBlock   = 1 << 31
	window        = 64 << 10 // how far back a linked block may refer
)

// unframe appends what a frame holds to dst.
func unframe(dst, src []byte) ([]byte, error) {
	if len(src) < 7 || binary.LittleEndian.Uint32(src) != frameMagic || src[4]>>6 != 1 || src[4]&dictionaryID != 0 {
		return nil, errFrame
	}
	flags, size := src[4], int(src[5]>>4&7)
	if size < 4 {
		return nil, errFrame
	}
	most := 1 << (8 + 2*size) // 64 KiB, 256 KiB, 1 MiB or 4 MiB
	header := 7
	if flags&contentSize != 0 {
		header += 8
	}
	if len(src) < header {
		return nil, errShort
	}
	for src = src[header:]; ; {
		if len(src) < 4 {
			return nil, errShort
		}
		n := binary.LittleEndian.Uint32(src)
		if src = src[4:]; n == 0 {
			return dst, nil
		}
		block, end := int(n&^storedBlock), int(n&^storedBlock)
		if flags&blockChecksum != 0 {
			end += 4
		}
		if block > most || end > len(src) {
			return nil, errShort
		}
		if n&storedBlock != 0 {
			dst = append(dst, src[:block]...)
		} else {
			var err error
			if dst, err = unblock(dst, src[:block], most, flags&linkedBlocks == 0); err != nil {
				return nil, err
			}
		}
		if len(dst) > mostDecompressed {
			return nil, kgo.ErrMaxDecompress
		}
		src = src[end:]
	}
}

// unblock appends what a block of at most so many bytes holds. dst may be too short for
// it: nothing says how long it is.
func unblock(dst, src []byte, most int, linked bool) ([]byte, error) {
	if len(dst) == cap(dst) {
		dst = slices.Grow(dst, min(most, 4*len(src)+64))
	}
	for {
		var before []byte
		if linked {
			before = dst[max(0, len(dst)-window):]
		}
		room := dst[len(dst):cap(dst)]
		n, err := lz4.UncompressBlockWithDict(src, room[:min(len(room), most)], before)
		if err == nil {
			return dst[:len(dst)+n], nil
		}
		if len(room) >= most {
			return nil, err
		}
		dst = slices.Grow(dst, min(most, max(2*len(room), 4*len(src))))
	}
}

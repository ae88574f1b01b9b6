// Package topic reads a topic's log.
package topic

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Pools lend the memory of fetched records. Batches that are packed give it back as
// soon as they are copied; a message's might still be looked at, so it is never given
// back. What nobody gives back, and what lies here through two collections, the
// garbage collector takes.
type Pools struct {
	bytes   [classes]sync.Pool // of *[]byte, by capacity
	records [classes]sync.Pool // of *[]kgo.Record, by capacity
}

// classes are the powers of two from 1 to 2 GiB.
const classes = 32

var (
	_ kgo.PoolDecompressBytes = (*Pools)(nil)
	_ kgo.PoolRecords         = (*Pools)(nil)
)

// classFor is the number of the smallest class that holds n, classOf that of the
// largest that a capacity of n can serve.
func classFor(n int) int { return bits.Len(uint(max(n, 1) - 1)) }
func classOf(n int) int  { return bits.Len(uint(n)) - 1 }

// expansion is what compressed events grow by; a guess that is too small costs one
// larger allocation, which the pool gets back.
const expansion = 3

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (p *Pools) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	return get[byte](&p.bytes, expansion*len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (p *Pools) PutDecompressBytes(b []byte) { put(&p.bytes, b) }

// GetRecords implements kgo.PoolRecords.
func (p *Pools) GetRecords(n int) []kgo.Record { return get[kgo.Record](&p.records, n) }

// PutRecords implements kgo.PoolRecords.
func (p *Pools) PutRecords(r []kgo.Record) { put(&p.records, r) }

// get returns an empty slice with room for n.
func get[T any](from *[classes]sync.Pool, n int) []T {
	class := classFor(n)
	if class >= classes {
		return make([]T, 0, n)
	}
	if s, ok := from[class].Get().(*[]T); ok {
		return (*s)[:0]
	}
	return make([]T, 0, 1<<class)
}

func put[T any](to *[classes]sync.Pool, s []T) {
	if cap(s) == 0 {
		return
	}
	if class := classOf(cap(s)); class < classes {
		to[class].Put(&s)
	}
}

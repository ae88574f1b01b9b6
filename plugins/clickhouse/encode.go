package clickhouse

import (
	"encoding/binary"
	"math"
)

// texts appends the rows lo to hi of a String column. They share one copy of the
// column's bytes, so a row costs no allocation.
func (c *column) texts(dst []string, lo, hi int) []string {
	data, start := c.text(lo, hi)
	all := string(data)
	from := start
	for _, end := range c.ends[lo:hi] {
		dst = append(dst, all[from-start:end-start])
		from = end
	}
	return dst
}

// blank is encode for a String column of as many rows and bytes as rows lo to hi have,
// but with all of the bytes in its first row.
func (c *column) blank(parts [][]byte, wire []byte, lo, hi int) (_ [][]byte, _ []byte) {
	data, _ := c.text(lo, hi)
	wire = binary.AppendUvarint(wire, uint64(len(data)))
	head := len(wire)
	wire = append(wire, make([]byte, hi-lo-1)...)
	return append(parts, wire[:head], data, wire[head:]), wire
}

// encode appends to parts what stands on the wire for rows lo to hi; wire is room
// for what has to be built.
func (c *column) encode(parts [][]byte, wire []byte, lo, hi int) (_ [][]byte, _ []byte) {
	if c.lowCardinality {
		wire = c.dictionary(wire, lo, hi)
		return append(parts, wire), wire
	}
	if c.nullable {
		parts = append(parts, c.nulls[lo:hi])
	}
	if c.width > 0 {
		return append(parts, c.data[lo*c.width:hi*c.width]), wire
	}
	data, start := c.text(lo, hi)
	from := uint32(0)
	for _, end := range c.ends[lo:hi] {
		wire = appendText(wire, data[from:end-start])
		from = end - start
	}
	return append(parts, wire), wire
}

func appendText[T string | []byte](wire []byte, s T) []byte {
	return append(binary.AppendUvarint(wire, uint64(len(s))), s...)
}

// The form of a LowCardinality column in Native format: flags and the width of the
// keys, the dictionary, then a key for each row. The dictionary begins with the
// default value; that of a Nullable begins with a place for NULL.
const (
	hasAdditionalKeys = 1 << 9
	needsUpdate       = 1 << 10
)

// dictionary builds the LowCardinality form of rows lo to hi. It runs on the
// sender's side, so that adding a row to a block needs no map.
func (c *column) dictionary(wire []byte, lo, hi int) []byte {
	data, start := c.text(lo, hi)
	all := string(data)
	places := 1
	if c.nullable {
		places = 2
	}
	keys := make([]uint32, hi-lo)
	index := make(map[string]uint32)
	index[""] = uint32(places - 1)
	words := make([]string, places, 1024)
	from := uint32(0)
	for i, end := range c.ends[lo:hi] {
		word := all[from : end-start]
		from = end - start
		if c.nullable && c.nulls[lo+i] == 1 {
			continue // key 0
		}
		key, ok := index[word]
		if !ok {
			key = uint32(len(words))
			index[word] = key
			words = append(words, word)
		}
		keys[i] = key
	}
	return appendDictionary(wire, words, keys)
}

func appendDictionary(wire []byte, words []string, keys []uint32) []byte {
	width, size := uint64(0), 1
	switch {
	case len(words) > math.MaxUint16:
		width, size = 2, 4
	case len(words) > math.MaxUint8:
		width, size = 1, 2
	}
	wire = binary.LittleEndian.AppendUint64(wire, hasAdditionalKeys|needsUpdate|width)
	wire = binary.LittleEndian.AppendUint64(wire, uint64(len(words)))
	for _, word := range words {
		wire = appendText(wire, word)
	}
	wire = binary.LittleEndian.AppendUint64(wire, uint64(len(keys)))
	for _, key := range keys {
		wire = appendInt(wire, size, uint64(key))
	}
	return wire
}

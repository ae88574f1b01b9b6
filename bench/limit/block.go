package main

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kgo"
)

// block is rows in the form in which the native protocol carries them, so that to
// send them is to compress them. Columns are reused from block to block.
type block struct {
	rows    int
	columns [9][]byte // in the order of names and types
	dict    dictionary
	commits map[int32]kgo.EpochOffset // what the group may commit once it is stored
}

// The columns that are written: those that consume.yaml writes too, except the owner.
var (
	names = [9]string{"event_id", "event_type", "user_id", "product_id", "price", "timestamp", "received_at", "_partition", "_offset"}
	types = [9]string{"UUID", enumType, "String", "LowCardinality(String)", "Decimal(18, 4)", "DateTime64(3, 'UTC')", "DateTime64(3, 'UTC')", "Int32", "Int64"}
)

const enumType = "Enum8('page_view' = 1, 'add_to_cart' = 2, 'purchase' = 3, 'remove_from_cart' = 4)"

const (
	colID = iota
	colKind
	colUser
	colProduct
	colPrice
	colTime
	colReceived
	colPartition
	colOffset
)

// dictionary numbers the products of a block, in two bytes each: a shop of more than
// 65,536 products is not what the bench plays.
type dictionary struct {
	index map[string]uint16
	text  []byte // the values, each behind its length
}

func (d *dictionary) key(value []byte) uint16 {
	if k, ok := d.index[string(value)]; ok { // no copy: the compiler sees to it
		return k
	}
	if len(d.index) == 1<<16 {
		panic("limit: more than 65536 products in a block")
	}
	k := uint16(len(d.index))
	d.index[string(value)] = k
	d.text = binary.AppendUvarint(d.text, uint64(len(value)))
	d.text = append(d.text, value...)
	return k
}

func newBlock() *block {
	return &block{dict: dictionary{index: map[string]uint16{}}, commits: map[int32]kgo.EpochOffset{}}
}

// reset empties the block. The dictionary stays until half its keys are taken: the
// server takes one with values that no row has.
func (b *block) reset() {
	b.rows = 0
	for i := range b.columns {
		b.columns[i] = b.columns[i][:0]
	}
	clear(b.commits)
	if len(b.dict.index) > 1<<15 {
		clear(b.dict.index)
		b.dict.text = b.dict.text[:0]
	}
}

// add appends one row.
func (b *block) add(f *fields, r *kgo.Record) {
	c := &b.columns
	// A UUID is two little-endian numbers, the first half first.
	c[colID] = binary.LittleEndian.AppendUint64(c[colID], binary.BigEndian.Uint64(f.id[:8]))
	c[colID] = binary.LittleEndian.AppendUint64(c[colID], binary.BigEndian.Uint64(f.id[8:]))
	c[colKind] = append(c[colKind], f.kind)
	c[colUser] = binary.AppendUvarint(c[colUser], uint64(len(f.user)))
	c[colUser] = append(c[colUser], f.user...)
	c[colProduct] = binary.LittleEndian.AppendUint16(c[colProduct], b.dict.key(f.product))
	c[colPrice] = binary.LittleEndian.AppendUint64(c[colPrice], uint64(f.price))
	c[colTime] = binary.LittleEndian.AppendUint64(c[colTime], uint64(f.timestamp))
	c[colReceived] = binary.LittleEndian.AppendUint64(c[colReceived], uint64(r.Timestamp.UnixMilli()))
	c[colPartition] = binary.LittleEndian.AppendUint32(c[colPartition], uint32(r.Partition))
	c[colOffset] = binary.LittleEndian.AppendUint64(c[colOffset], uint64(r.Offset))
	b.rows++
}

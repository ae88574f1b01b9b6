package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
)

// revision of the native protocol that is spoken: the engine's own (internal/engine).
const revision = 54453

// native is one connection to ClickHouse. It is ch-go's protocol without its client:
// columns that lie ready on the wire's form are compressed where they are.
type native struct {
	conn   net.Conn
	out    *bufio.Writer
	in     *proto.Reader
	lz4    *compress.Writer
	plain  *compress.Writer
	head   proto.Buffer
	insert string
}

func dial(address, database string) (*native, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	n := &native{conn: conn, out: bufio.NewWriterSize(conn, 1<<18), in: proto.NewReader(conn),
		lz4: compress.NewWriter(0, compress.LZ4), plain: compress.NewWriter(0, compress.None)}
	proto.ClientHello{Name: "limit", Major: 1, ProtocolVersion: revision, Database: database, User: env("CLICKHOUSE_USER", "default"), Password: env("CLICKHOUSE_PASSWORD", "")}.Encode(&n.head)
	if err := n.send(); err != nil {
		return nil, err
	}
	code, err := n.in.UVarInt()
	if err == nil && proto.ServerCode(code) != proto.ServerCodeHello {
		err = n.answer(proto.ServerCode(code))
	}
	var hello proto.ServerHello
	if err == nil {
		err = hello.DecodeAware(n.in, revision)
	}
	if err != nil {
		return nil, fmt.Errorf("clickhouse %s: hello: %w", address, err)
	}
	n.insert = "INSERT INTO events ("
	for i, name := range names {
		if i > 0 {
			n.insert += ", "
		}
		n.insert += name
	}
	n.insert += ") FORMAT Native"
	return n, nil
}

// send writes what is in head, and all before it.
func (n *native) send() error {
	if _, err := n.out.Write(n.head.Buf); err != nil {
		return err
	}
	n.head.Reset()
	return n.out.Flush()
}

// store inserts a block and returns once the server has it.
func (n *native) store(b *block) error {
	proto.Query{Body: n.insert, Stage: proto.StageComplete, Compression: proto.CompressionEnabled,
		Info: proto.ClientInfo{ProtocolVersion: revision, Interface: proto.InterfaceTCP, Query: proto.ClientQueryInitial},
	}.EncodeAware(&n.head, revision)
	if err := n.empty(); err != nil { // no external tables
		return err
	}
	if err := n.await(proto.ServerCodeData); err != nil {
		return err
	}
	if err := n.rows(b); err != nil {
		return err
	}
	if err := n.empty(); err != nil {
		return err
	}
	return n.await(proto.ServerCodeEndOfStream)
}

func (n *native) data() {
	proto.ClientCodeData.Encode(&n.head)
	proto.ClientData{}.EncodeAware(&n.head, revision)
}

func (n *native) frame(w *compress.Writer, data []byte) error {
	if err := w.Compress(data); err != nil {
		return err
	}
	_, err := n.out.Write(w.Data)
	return err
}

// empty sends a block without columns, which ends a list of them.
func (n *native) empty() error {
	n.data()
	if _, err := n.out.Write(n.head.Buf); err != nil {
		return err
	}
	n.head.Reset()
	proto.BlockInfo{BucketNum: -1}.Encode(&n.head)
	n.head.PutInt(0)
	n.head.PutInt(0)
	err := n.frame(n.plain, n.head.Buf)
	n.head.Reset()
	if err == nil {
		err = n.out.Flush()
	}
	return err
}

// rows sends the block, a column at a time.
func (n *native) rows(b *block) error {
	n.data()
	if _, err := n.out.Write(n.head.Buf); err != nil {
		return err
	}
	n.head.Reset()
	proto.BlockInfo{BucketNum: -1}.Encode(&n.head)
	n.head.PutInt(len(b.columns))
	n.head.PutInt(b.rows)
	for i, column := range b.columns {
		n.head.PutString(names[i])
		n.head.PutString(types[i])
		if i == colProduct {
			n.dictionary(b)
		}
		if err := n.frame(n.plain, n.head.Buf); err != nil {
			return err
		}
		n.head.Reset()
		w := n.lz4
		if i == colID {
			w = n.plain // random: lz4 would only search it in vain
		}
		if err := n.frame(w, column); err != nil {
			return err
		}
	}
	return nil
}

// dictionary puts what precedes the keys of a LowCardinality column: its version, the
// flags (keys of two bytes, a dictionary of its own, which replaces the last one),
// the values, the number of keys.
func (n *native) dictionary(b *block) {
	const version, flags = 1, 1 | 1<<9 | 1<<10
	n.head.PutInt64(version)
	n.head.PutInt64(flags)
	n.head.PutInt64(int64(len(b.dict.index)))
	n.head.Buf = append(n.head.Buf, b.dict.text...)
	n.head.Buf = binary.LittleEndian.AppendUint64(n.head.Buf, uint64(b.rows))
}

// await reads the server's answers up to the first of the given kind.
func (n *native) await(want proto.ServerCode) error {
	for {
		code, err := n.in.UVarInt()
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if err := n.answer(proto.ServerCode(code)); err != nil {
			return err
		}
		if proto.ServerCode(code) == want {
			return nil
		}
	}
}

// answer reads one answer of a given kind.
func (n *native) answer(code proto.ServerCode) error {
	switch code {
	case proto.ServerCodeException:
		var e proto.Exception
		if err := e.DecodeAware(n.in, revision); err != nil {
			return err
		}
		return fmt.Errorf("code %d: %s", int(e.Code), e.Message)
	case proto.ServerCodeProgress:
		var p proto.Progress
		return p.DecodeAware(n.in, revision)
	case proto.ServerCodeProfile:
		var p proto.Profile
		return p.DecodeAware(n.in, revision)
	case proto.ServerCodeTableColumns:
		var c proto.TableColumns
		return c.DecodeAware(n.in, revision)
	case proto.ServerCodeData, proto.ServerCodeLog, proto.ServerProfileEvents:
		return n.block(code)
	case proto.ServerCodeEndOfStream:
		return nil
	}
	return errors.New("answer of an unknown kind: " + code.String())
}

// block reads a block and forgets it: the header of an insert, or statistics.
func (n *native) block(code proto.ServerCode) error {
	if _, err := n.in.Str(); err != nil { // a table's name
		return err
	}
	if code == proto.ServerCodeData {
		n.in.EnableCompression()
		defer n.in.DisableCompression()
	}
	var b proto.Block
	var results proto.Results
	return b.DecodeBlock(n.in, revision, results.Auto())
}

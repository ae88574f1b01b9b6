package front

import (
	"bufio"
	"fmt"
	"io"

	"clickstream/internal/engine/wire"
)

// packetReader reads the fields of a packet and keeps the first error.
type packetReader struct {
	in  *bufio.Reader
	max int // longest string, 0 for wire.MaxString
	err error
}

func (r *packetReader) uvarint() (n uint64) {
	if r.err == nil {
		n, r.err = wire.Uvarint(r.in)
	}
	return n
}

func (r *packetReader) string() (s string) {
	if r.err != nil {
		return ""
	}
	limit := r.max
	if limit == 0 {
		limit = wire.MaxString
	}
	s, r.err = wire.String(r.in, limit)
	return s
}

func (r *packetReader) byte() (b byte) {
	if r.err == nil {
		b, r.err = r.in.ReadByte()
	}
	return b
}

func (r *packetReader) skip(n int) {
	if r.err == nil {
		_, r.err = r.in.Discard(n)
	}
}

// query is what a Query packet asks for.
type query struct {
	id, sql    string
	settings   map[string]string
	compressed bool
}

// readQuery reads a Query packet behind its number, at Revision.
func readQuery(in *bufio.Reader) (query, error) {
	r := packetReader{in: in}
	q := query{id: r.string(), settings: map[string]string{}}
	if kind := r.byte(); kind != 0 {
		r.clientInfo()
	}
	for name := r.string(); name != "" && r.err == nil; name = r.string() {
		r.uvarint() // flags: important, custom
		q.settings[name] = r.string()
	}
	r.string()  // secret between servers
	r.uvarint() // stage: always complete
	q.compressed = r.byte() == 1
	q.sql = r.string()
	return q, r.err
}

// clientInfo skips who the client says it is.
func (r *packetReader) clientInfo() {
	r.string() // initial user
	r.string() // initial query id
	r.string() // initial address
	r.skip(8)  // initial query start time
	r.byte()   // interface: TCP
	r.string() // operating system user
	r.string() // host
	r.string() // client
	r.uvarint()
	r.uvarint()
	r.uvarint() // its version and revision
	r.string()  // quota key
	r.uvarint() // distributed depth
	r.uvarint() // patch
	if traced := r.byte(); traced == 1 {
		r.skip(24) // trace and span id
		r.string() // trace state
		r.byte()   // trace flags
	}
	r.uvarint()
	r.uvarint()
	r.uvarint() // parallel replicas
}

// readBlock reads a Data packet behind its number and writes the block to dst as
// FORMAT Native.
func (c *nativeConn) readBlock(dst io.Writer) (table string, h wire.Header, err error) {
	r := packetReader{in: c.in}
	if table = r.string(); r.err != nil {
		return "", wire.Header{}, r.err
	}
	in := c.in
	if c.compress { // frames end where blocks end
		in = bufio.NewReaderSize(decompressed(c.in), blockBuffer)
	}
	if err := wire.Info(in); err != nil {
		return "", wire.Header{}, err
	}
	h, err = wire.Copy(dst, in)
	if err == nil && c.compress && in.Buffered() > 0 {
		err = fmt.Errorf("%w: %d bytes behind a block", wire.ErrMalformed, in.Buffered())
	}
	return table, h, err
}

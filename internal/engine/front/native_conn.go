package front

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/wire"
)

// Packets, as in ClickHouse's Protocol.h.
const (
	clientHello  = 0
	clientQuery  = 1
	clientData   = 2
	clientCancel = 3
	clientPing   = 4

	serverHello       = 0
	serverData        = 1
	serverException   = 2
	serverProgress    = 3
	serverPong        = 4
	serverEndOfStream = 5
)

const (
	helloTimeout = 10 * time.Second // for a client that connects and says nothing
	writeTimeout = 5 * time.Minute  // for a client that takes no answer; it holds a slot
	readBuffer   = 16 << 10         // of each connection, idle ones too
	blockBuffer  = 128 << 10        // while a block is read
)

// nativeConn is one client's connection.
type nativeConn struct {
	*Native
	socket net.Conn
	in     *bufio.Reader
	out    []byte // the packets of one write

	database string
	before   []string // SET and USE statements of this connection
	compress bool     // of the statement that runs
	method   compress.Method
	kept     kept
}

func newNativeConn(n *Native, socket net.Conn) *nativeConn {
	return &nativeConn{Native: n, socket: socket, in: bufio.NewReaderSize(socket, readBuffer)}
}

// serve speaks with the client until either goes away.
func (c *nativeConn) serve() {
	defer c.kept.close()
	if err := c.hello(); err != nil {
		return
	}
	for c.setIdle(c, true) {
		packet, err := wire.Uvarint(c.in)
		if err != nil {
			return
		}
		c.setIdle(c, false)
		if err := c.packet(packet); err != nil {
			return
		}
	}
}

// packet answers one packet; after an error the connection cannot be used.
func (c *nativeConn) packet(packet uint64) error {
	switch packet {
	case clientPing:
		c.out = append(c.out, serverPong)
		return c.flush()
	case clientQuery:
		return c.query()
	case clientCancel: // of a statement that has ended
		return nil
	}
	return c.exception(chdb.NewError(99, "UNKNOWN_PACKET_FROM_CLIENT", fmt.Sprintf("Unknown packet %d from client", packet)))
}

// hello shakes hands. The database is checked here, as ClickHouse does, so that a
// wrong name is an error of the connection and not of its first statement.
func (c *nativeConn) hello() error {
	_ = c.socket.SetReadDeadline(time.Now().Add(helloTimeout))
	user, password, revision, err := c.readHello()
	if err != nil {
		return err
	}
	_ = c.socket.SetReadDeadline(time.Time{})
	if err = c.backend.authenticate(user, password); err == nil && revision < Revision {
		err = chdb.NewError(48, "NOT_IMPLEMENTED", fmt.Sprintf("client speaks revision %d of the native protocol, want %d or newer (ClickHouse 21.12)", revision, Revision))
	}
	if err == nil && c.database != "" {
		err = c.checkDatabase()
	}
	if err != nil {
		return errors.Join(err, c.exception(err))
	}
	major, minor, patch := versionParts(c.backend.version)
	c.out = append(c.out, serverHello)
	c.out = wire.AppendString(c.out, "ClickHouse")
	c.out = binary.AppendUvarint(c.out, major)
	c.out = binary.AppendUvarint(c.out, minor)
	c.out = binary.AppendUvarint(c.out, Revision)
	c.out = wire.AppendString(c.out, c.backend.zone)
	c.out = wire.AppendString(c.out, c.backend.name)
	c.out = binary.AppendUvarint(c.out, patch)
	return c.flush()
}

// maxHello bounds the strings of a client that has not proved who it is.
const maxHello = 4096

func (c *nativeConn) readHello() (user, password string, revision uint64, err error) {
	r := packetReader{in: c.in, max: maxHello}
	if packet := r.uvarint(); packet != clientHello {
		return "", "", 0, fmt.Errorf("%w: packet %d instead of hello", wire.ErrMalformed, packet)
	}
	r.string() // client's name
	r.uvarint()
	r.uvarint() // its version
	revision = r.uvarint()
	c.database, user, password = r.string(), r.string(), r.string()
	return user, password, revision, r.err
}

func (c *nativeConn) checkDatabase() error {
	session, err := c.backend.session(request{id: c.backend.newID(), database: c.database})
	if err != nil {
		return err
	}
	session.Close()
	return nil
}

func versionParts(version string) (major, minor, patch uint64) {
	var parts [3]uint64
	for i, text := range strings.SplitN(version, ".", 4) {
		if i < len(parts) {
			parts[i], _ = strconv.ParseUint(text, 10, 64)
		}
	}
	return parts[0], parts[1], parts[2]
}

// flush sends what was gathered.
func (c *nativeConn) flush() error {
	_ = c.socket.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.socket.Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > 4<<20 { // one large block must not stay in an idle connection
		c.out = nil
	}
	return err
}

// exception ends a statement with an error.
func (c *nativeConn) exception(err error) error {
	c.kept.failed = true
	e := exception(err)
	message := strings.TrimPrefix(e.Text, "Code: "+strconv.Itoa(e.Code)+". ")
	c.out = append(c.out[:0], serverException)
	c.out = binary.LittleEndian.AppendUint32(c.out, uint32(e.Code))
	c.out = wire.AppendString(c.out, "DB::Exception")
	c.out = wire.AppendString(c.out, message)
	c.out = wire.AppendString(c.out, "") // stack trace
	c.out = append(c.out, 0)             // no nested exception
	return c.flush()
}

// end ends a statement that succeeded.
func (c *nativeConn) end(s chdb.Stats) error {
	c.out = append(c.out, serverProgress)
	c.out = binary.AppendUvarint(c.out, s.ReadRows)
	c.out = binary.AppendUvarint(c.out, s.ReadBytes)
	c.out = binary.AppendUvarint(c.out, 0) // rows still to read
	c.out = binary.AppendUvarint(c.out, s.WrittenRows)
	c.out = binary.AppendUvarint(c.out, s.WrittenBytes)
	c.out = append(c.out, serverEndOfStream)
	return c.flush()
}

// frame is the most that is compressed at once, as in ClickHouse.
const frame = 1 << 20

// blockInfo says: not overflows, bucket -1, end.
var blockInfo = []byte{1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0}

// send sends a block that the engine wrote as FORMAT Native.
func (c *nativeConn) send(block []byte) error {
	c.out = append(c.out, serverData)
	c.out = wire.AppendString(c.out, "") // no external table

	if !c.compress {
		c.out = append(append(c.out, blockInfo...), block...)
		return c.flush()
	}
	w := compress.NewWriter(compress.LevelZero, c.method)
	raw := append(bytes.Clone(blockInfo), block...)
	for len(raw) > 0 {
		n := min(len(raw), frame)
		if err := w.Compress(raw[:n]); err != nil {
			return err
		}
		c.out = append(c.out, w.Data...)
		raw = raw[n:]
	}
	return c.flush()
}

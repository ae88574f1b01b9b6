package broker

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// maxFrame is the largest request taken, in bytes: socket.request.max.bytes of
	// Apache Kafka. An HTTP or TLS hello read as a size lies above it.
	maxFrame = 100 << 20
	// headSize is the part of a request that is checked: size, key, version.
	headSize = 8
	// minFrame is the smallest size a request can have: key, version, correlation.
	minFrame = 8
)

// guard refuses connections that send anything but Kafka requests. kfake trusts
// its clients: it dies of one unknown request key and takes the size of a
// misdirected HTTP request for an order to allocate a gigabyte.
// It tells the lobby which requests wait for other members of their group.
func guard(ln net.Listener, lobby *lobby, log *slog.Logger) net.Listener {
	return &guardListener{Listener: ln, lobby: lobby, log: newSparse(log)}
}

type guardListener struct {
	net.Listener
	lobby *lobby
	log   *sparse
}

func (l *guardListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardConn{Conn: conn, lobby: l.lobby, log: l.log}, nil
}

// guardConn passes bytes on as they come, except for the head of each request,
// which it holds until it is complete and sound. One goroutine reads it.
type guardConn struct {
	net.Conn
	lobby *lobby
	log   *sparse
	head  [headSize]byte
	pass  []byte // the part of head that is checked and not yet handed out
	left  uint32 // bytes of the current request that follow its head
	seen  []byte // what came of the current request, if the lobby wants to know it
}

func (g *guardConn) Read(p []byte) (int, error) {
	if len(g.pass) == 0 && g.left == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.pass) > 0 {
		n := copy(p, g.pass)
		g.pass = g.pass[n:]
		return n, nil
	}
	if uint32(len(p)) > g.left {
		p = p[:g.left]
	}
	n, err := g.Conn.Read(p)
	g.left -= uint32(n)
	if g.seen != nil {
		g.seen = append(g.seen, p[:n]...)
		if g.left == 0 {
			g.lobby.enter(g, g.seen)
			g.seen = nil
		}
	}
	return n, err
}

// Write sends an answer; kfake writes each of them at once and whole.
func (g *guardConn) Write(p []byte) (int, error) {
	if len(p) >= headSize {
		g.lobby.answered(g, int32(binary.BigEndian.Uint32(p[4:])))
	}
	return g.Conn.Write(p)
}

// Close is called by kfake as soon as the client has hung up.
func (g *guardConn) Close() error {
	g.lobby.left(g)
	return g.Conn.Close()
}

// next reads and checks a request's head; a bad one ends the connection with a
// reset, which tells a misdirected client at once that nobody will answer.
func (g *guardConn) next() error {
	for have := 0; have < headSize; {
		n, err := g.Conn.Read(g.head[have:])
		if err != nil {
			return err
		}
		have += n
	}
	size, err := checkHead(g.head)
	if err != nil {
		g.log.warn("connection refused", "client", g.Conn.RemoteAddr().String(), "cause", err)
		if tcp, ok := g.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		g.Conn.Close()
		return err
	}
	g.pass, g.left = g.head[:], size-(headSize-4)
	if mayWait(int16(binary.BigEndian.Uint16(g.head[4:]))) {
		g.seen = append(g.seen, g.head[4:]...)
	}
	return nil
}

// checkHead returns the size of the request that head begins: the bytes after the
// four that hold the size itself.
func checkHead(head [headSize]byte) (uint32, error) {
	size := binary.BigEndian.Uint32(head[:])
	if size < minFrame || size > maxFrame {
		return 0, fmt.Errorf("request size: want %d to %d bytes, got %d: not a Kafka client", minFrame, maxFrame, size)
	}
	key := int16(binary.BigEndian.Uint16(head[4:]))
	if kmsg.RequestForKey(key) == nil {
		return 0, fmt.Errorf("request key: got %d, which Kafka does not know", key)
	}
	if version := int16(binary.BigEndian.Uint16(head[6:])); version < 0 {
		return 0, fmt.Errorf("request version: want 0 or more, got %d", version)
	}
	return size, nil
}

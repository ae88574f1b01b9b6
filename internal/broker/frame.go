package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// maxFrame is the largest request taken, in bytes: socket.request.max.bytes of
	// Apache Kafka. An HTTP or TLS hello read as a size lies above it.
	maxFrame = 100 << 20
	// maxPlain is the largest request without records taken. Decoded, a request can
	// take a hundred times its size.
	maxPlain = 2 << 20
	// headSize is the part of a request that is checked first: size, key, version.
	headSize = 8
	// minFrame is the smallest size a request can have: key, version, correlation.
	minFrame = 8
	// firstRead is how much is read of a request at first: memory is taken for what
	// has come, not for what a size promises.
	firstRead = 4 << 10
	// keepFrame is the largest buffer that a connection keeps for its next request.
	keepFrame = 4 << 20
)

// guardConn hands on whole requests that are sound, and holds answers until what
// they acknowledge is on disk. One goroutine reads it, one writes.
type guardConn struct {
	net.Conn
	door  *door
	frame []byte // the current request, its size in front
	pass  []byte // what of it kfake has not read yet

	mu      sync.Mutex
	flights []flight
	active  time.Time // of the last answer

	held chan answer // of the writing goroutine; nil until an answer has to wait

	closed chan struct{}
	once   sync.Once
}

// flight is a request that was handed on and has no answer yet.
type flight struct {
	number       int32 // of the request; clients number theirs per connection
	key, version int16
	size         int
	silent       bool // no answer will come: a Produce with acks=0
	wrote        []written
}

func (g *guardConn) Read(p []byte) (int, error) {
	if len(g.pass) == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.pass)
	g.pass = g.pass[n:]
	return n, nil
}

// Write sends an answer; kfake writes each of them at once and whole.
func (g *guardConn) Write(p []byte) (int, error) {
	if len(p) < headSize {
		return g.Conn.Write(p)
	}
	number := int32(binary.BigEndian.Uint32(p[4:]))
	g.door.lobby.answered(g, number)
	if wrote := g.answered(number); len(wrote) > 0 || g.held != nil {
		return len(p), g.hold(p, wrote)
	}
	return g.Conn.Write(p)
}

// Close is called by kfake as soon as the client has hung up.
func (g *guardConn) Close() error {
	g.once.Do(func() { close(g.closed) })
	g.door.left(g)
	return g.Conn.Close()
}

// next reads and checks a request; a bad one ends the connection with a reset, which
// tells a misdirected client at once that nobody will answer.
func (g *guardConn) next() error {
	if cap(g.frame) > keepFrame {
		g.frame = nil
	}
	g.frame = g.frame[:0]
	if err := g.fill(headSize); err != nil {
		return err
	}
	size, err := checkHead([headSize]byte(g.frame))
	if err != nil {
		return g.refuse(err)
	}
	if err := g.fill(int(size) + 4); err != nil {
		return err
	}
	one, err := inspect(g.frame)
	if err != nil {
		return g.refuse(err)
	}
	if g.door.disk == nil {
		one.wrote = nil
	}
	if one.key == int16(kmsg.Produce) && g.door.room != nil {
		g.door.room.take(one.size)
	}
	g.sent(one)
	if mayWait(one.key) {
		g.door.lobby.enter(g, g.frame[4:])
	}
	g.pass = g.frame
	return nil
}

// fill reads until the frame has n bytes.
func (g *guardConn) fill(n int) error {
	for len(g.frame) < n {
		if len(g.frame) == cap(g.frame) {
			grown := make([]byte, len(g.frame), min(max(2*cap(g.frame), firstRead), max(n, firstRead)))
			copy(grown, g.frame)
			g.frame = grown
		}
		got, err := g.read(g.frame[len(g.frame):min(n, cap(g.frame))])
		g.frame = g.frame[:len(g.frame)+got]
		if err != nil && len(g.frame) < n {
			return err
		}
	}
	return nil
}

// read waits for the client no longer than for idle, unless the client waits for us.
func (g *guardConn) read(p []byte) (int, error) {
	for {
		if err := g.Conn.SetReadDeadline(time.Now().Add(g.door.idle)); err != nil {
			return 0, err
		}
		n, err := g.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !g.busy() {
			return n, err
		}
	}
}

func (g *guardConn) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waitsLocked(nil) || time.Since(g.active) < g.door.idle
}

func (g *guardConn) refuse(cause error) error {
	g.door.log.warn("connection refused", "client", g.RemoteAddr().String(), "cause", cause)
	if tcp, ok := g.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = g.Close()
	return cause
}

func (g *guardConn) sent(one flight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	// kfake is at most two requests behind, and says nothing when it has done one.
	if len(g.flights) > 2 && g.flights[0].silent {
		g.flights = g.flights[1:]
	}
	g.flights = append(g.flights, one)
}

// answered forgets a request and returns what its answer says to be stored.
func (g *guardConn) answered(number int32) []written {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active = time.Now()
	for i, one := range g.flights {
		if one.number == number && !one.silent {
			g.flights = append(g.flights[:i], g.flights[i+1:]...)
			return one.wrote
		}
	}
	return nil
}

// waits reports whether the client waits for an answer to a request like req, or to
// any.
func (g *guardConn) waits(req kmsg.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waitsLocked(req)
}

func (g *guardConn) waitsLocked(req kmsg.Request) bool {
	for _, one := range g.flights {
		if req == nil && !one.silent || req != nil && one.like(req) {
			return true
		}
	}
	return false
}

// like reports whether f may be req: the head before the body is 10 bytes and the
// client's id, which kfake does not tell.
func (f flight) like(req kmsg.Request) bool {
	return f.key == req.Key() && f.version == req.GetVersion() && f.size >= len(req.AppendTo(nil))
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
	if key != int16(kmsg.Produce) && size > maxPlain {
		return 0, fmt.Errorf("size of a %s request: want at most %d bytes, got %d", kmsg.NameForKey(key), maxPlain, size)
	}
	if version := int16(binary.BigEndian.Uint16(head[6:])); version < 0 {
		return 0, fmt.Errorf("request version: want 0 or more, got %d", version)
	}
	return size, nil
}

package broker

import (
	"cmp"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// door is the listener that kfake accepts its connections from, each behind a guard,
// and what the guards share.
type door struct {
	net.Listener
	lobby *lobby
	log   *sparse
	idle  time.Duration // after which a connection on which nothing happens is closed
	room  *room         // nil before the broker has started: nothing is written then
	disk  *flusher      // nil: answers do not wait for the disk

	mu    sync.Mutex
	conns map[*guardConn]struct{}

	ready chan struct{} // closed when clients may come in, or the listener is closed
	once  sync.Once
}

// defaultIdle is connections.max.idle.ms of Apache Kafka.
const defaultIdle = 10 * time.Minute

// guard refuses connections that send anything but Kafka requests. kfake trusts
// its clients: it dies of one unknown request key and takes the size of a
// misdirected HTTP request for an order to allocate a gigabyte.
// It tells the lobby which requests wait for other members of their group.
func guard(ln net.Listener, lobby *lobby, idle time.Duration, log *slog.Logger) *door {
	return &door{
		Listener: ln, lobby: lobby, log: newSparse(log), idle: cmp.Or(idle, defaultIdle),
		conns: map[*guardConn]struct{}{}, ready: make(chan struct{}),
	}
}

// open lets clients in. Until then they wait: kfake listens before we could put up
// the rest of its guards.
func (d *door) open() { d.once.Do(func() { close(d.ready) }) }

func (d *door) Close() error {
	d.open()
	return d.Listener.Close()
}

func (d *door) Accept() (net.Conn, error) {
	<-d.ready
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guardConn{Conn: conn, door: d, closed: make(chan struct{})}
	d.mu.Lock()
	d.conns[g] = struct{}{}
	d.mu.Unlock()
	return g, nil
}

func (d *door) left(g *guardConn) {
	d.lobby.left(g)
	d.mu.Lock()
	delete(d.conns, g)
	d.mu.Unlock()
}

// end closes the connections that may have sent req, which kfake panicked at: those
// that wait for the answer to a request of its kind and size. It is one, but for
// twins, whose clients ask again. Without a twin, or without a request, it is all
// that wait: nobody else can tell a client that no answer will come.
func (d *door) end(req kmsg.Request) {
	d.mu.Lock()
	var same, waiting []*guardConn
	for g := range d.conns {
		if g.waits(nil) {
			waiting = append(waiting, g)
		}
		if req != nil && g.waits(req) {
			same = append(same, g)
		}
	}
	d.mu.Unlock()
	if len(same) == 0 {
		same = waiting
	}
	for _, g := range same {
		_ = g.Close()
	}
}

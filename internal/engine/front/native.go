package front

import (
	"context"
	"net"
	"sync"
)

// Revision is the revision of the native protocol that is spoken: the last before
// DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION (54454). At it a block on the wire is
// a BlockInfo and then exactly what the engine writes as FORMAT Native.
const Revision = 54453

// Native serves the native TCP protocol.
type Native struct {
	backend *Backend
	ctx     context.Context // ends the wait for a slot
	cancel  context.CancelFunc

	mu      sync.Mutex
	closing bool
	conns   map[*nativeConn]bool // true while it waits for its client's next statement
	wait    sync.WaitGroup
}

// NewNative makes a server over b.
func NewNative(b *Backend) *Native {
	ctx, cancel := context.WithCancel(context.Background())
	return &Native{backend: b, ctx: ctx, cancel: cancel, conns: map[*nativeConn]bool{}}
}

// Serve accepts connections until l is closed.
func (n *Native) Serve(l net.Listener) {
	for {
		socket, err := l.Accept()
		if err != nil {
			return // closed: on loopback nothing else ends a listener for good
		}
		c := newNativeConn(n, socket)
		if !n.setIdle(c, true) {
			socket.Close()
			continue
		}
		n.wait.Go(func() {
			defer n.forget(c)
			c.serve()
		})
	}
}

// Drain closes idle connections and waits for the statements of the others, until
// ctx ends. The listener must be closed before.
func (n *Native) Drain(ctx context.Context) {
	n.mu.Lock()
	n.closing = true
	for c, idle := range n.conns {
		if idle {
			c.socket.Close()
		}
	}
	n.mu.Unlock()
	done := make(chan struct{})
	go func() {
		n.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Close closes every connection and waits until none uses the engine.
func (n *Native) Close() {
	n.cancel()
	n.mu.Lock()
	n.closing = true
	for c := range n.conns {
		c.socket.Close()
	}
	n.mu.Unlock()
	n.wait.Wait()
}

// setIdle records whether c waits for its client; false if it must not go on.
func (n *Native) setIdle(c *nativeConn, idle bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing && idle {
		return false
	}
	n.conns[c] = idle
	return true
}

func (n *Native) forget(c *nativeConn) {
	c.socket.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
}

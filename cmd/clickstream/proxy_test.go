package main

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is a TCP proxy before the engine's native port that knows where an insert into
// events stands, and can fail just there.
type proxy struct {
	to       string
	listener net.Listener
	fault    atomic.Int32 // what happens to the next insert
	hit      atomic.Int64 // inserts that a fault met
	held     chan struct{}
	release  chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]bool
}

const (
	passOn  = iota
	loseAck // the rows arrive, the answer does not
	hold    // the rows stop on their way, until release
	tell    // nothing: held says that rows have just gone on their way
)

func startProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, listener: l, held: make(chan struct{}, 1), release: make(chan struct{}), conns: map[net.Conn]bool{}}
	go p.accept()
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		s := &stream{proxy: p, client: client, server: server}
		go s.up()
		go s.down()
	}
}

// step is how far an insert has come on a connection.
type step int

const (
	nothing   step = iota
	asked          // the client has sent the query
	described      // the server has said what the rows must look like
	filled         // the client has sent rows
)

// stream is one connection through the proxy.
type stream struct {
	*proxy
	client, server net.Conn

	mu   sync.Mutex
	step step
}

func (s *stream) end() {
	_ = s.client.Close()
	_ = s.server.Close()
}

// up passes on what the client sends.
func (s *stream) up() {
	defer s.end()
	buf := make([]byte, 64<<10)
	for {
		n, err := s.client.Read(buf)
		if err != nil {
			return
		}
		told := false
		s.mu.Lock()
		switch {
		case bytes.Contains(buf[:n], []byte("INSERT INTO `clickstream`.`events` (")):
			s.step = asked
		case s.step == described:
			s.step = filled
			told = s.fault.CompareAndSwap(tell, passOn)
			if s.fault.CompareAndSwap(hold, passOn) {
				s.hit.Add(1)
				_, _ = s.server.Write(buf[:n/2])
				copy(buf, buf[n/2:n])
				n -= n / 2
				s.held <- struct{}{}
				<-s.release
			}
		}
		s.mu.Unlock()
		_, err = s.server.Write(buf[:n])
		if told {
			select {
			case s.held <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// down passes on what the server answers.
func (s *stream) down() {
	defer s.end()
	buf := make([]byte, 64<<10)
	for {
		n, err := s.server.Read(buf)
		if err != nil {
			return
		}
		s.mu.Lock()
		lost := false
		switch s.step {
		case asked:
			s.step = described
		case filled:
			s.step = nothing
			lost = s.fault.CompareAndSwap(loseAck, passOn)
		}
		s.mu.Unlock()
		if lost {
			s.hit.Add(1)
			return
		}
		if _, err := s.client.Write(buf[:n]); err != nil {
			return
		}
	}
}

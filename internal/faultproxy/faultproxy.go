// Package faultproxy puts toxiproxy (github.com/Shopify/toxiproxy, MIT) between a
// client and a server of a test, in the test's own process: resets, black holes, half
// open connections, slow links and connections cut after so many bytes. Only tests
// import it. Faults that depend on what is said on the wire are not its business.
package faultproxy

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy passes bytes on between a port of its own and a server, until it is broken.
type Proxy struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// Fault is something that a network does to a connection. See the functions below.
type Fault struct {
	kind       string // a toxic's name; "" refuses connections
	direction  string // of the bytes: upstream is from the client to the server
	attributes string
}

// Directions of the bytes that a fault meets.
const (
	Up   = "upstream"   // what the client sends
	Down = "downstream" // what the server answers
)

// Refuse ends every connection, and takes no other.
func Refuse() Fault { return Fault{} }

// Reset ends a connection with RST as soon as it says something.
func Reset(direction string) Fault { return Fault{"reset_peer", direction, `"timeout": 0`} }

// BlackHole swallows what goes in one direction; the connection stays. That of the
// answers alone is what a half-open connection looks like to a client.
func BlackHole(direction string) Fault { return Fault{"timeout", direction, `"timeout": 0`} }

// OneByteASecond lets bytes through one by one, a second apart.
func OneByteASecond(direction string) Fault {
	return Fault{"slicer", direction, `"average_size": 1, "size_variation": 0, "delay": 1000000`}
}

// Delay holds every piece back for so many milliseconds.
func Delay(direction string, milliseconds int) Fault {
	return Fault{"latency", direction, fmt.Sprintf(`"latency": %d, "jitter": 0`, milliseconds)}
}

// CutAfter ends a connection after so many bytes in one direction.
func CutAfter(direction string, bytes int) Fault {
	return Fault{"limit_data", direction, fmt.Sprintf(`"bytes": %d`, bytes)}
}

// Start puts a proxy before the server at upstream. It ends with the test.
func Start(t testing.TB, upstream string) *Proxy {
	t.Helper()
	return start(t, "127.0.0.1:0", upstream)
}

func start(t testing.TB, listen, upstream string) *Proxy {
	t.Helper()
	p := &Proxy{t: t}
	if err := p.open(listen, upstream); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.proxy.Stop() })
	return p
}

func (p *Proxy) open(listen, upstream string) error {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p.proxy = toxiproxy.NewProxy(server, "proxy", listen, upstream)
	return p.proxy.Start()
}

// Address is where clients connect.
func (p *Proxy) Address() string { return p.proxy.Listen }

// Break lets a fault meet every connection, those that are open too, until the
// returned function is called. That ends the connections: to take a toxic away from
// them blocks for ever if one ends at that moment (toxiproxy 2.12.0).
func (p *Proxy) Break(f Fault) (heal func()) {
	p.t.Helper()
	if f.kind == "" {
		p.proxy.Stop()
		return p.renew
	}
	toxic := fmt.Sprintf(`{"name": "fault", "type": %q, "stream": %q, "attributes": {%s}}`, f.kind, f.direction, f.attributes)
	if _, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		p.t.Fatal(err)
	}
	return p.renew
}

// renew puts another proxy in the place of this one.
func (p *Proxy) renew() {
	p.proxy.Stop()
	if err := p.open(p.proxy.Listen, p.proxy.Upstream); err != nil {
		p.t.Error(err)
	}
}

// Before returns a listener for a server that tells its clients where it listens, as a
// Kafka broker does: it says the proxy's address.
func Before(t testing.TB) (net.Listener, *Proxy) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, l.Addr().String())
	address, err := net.ResolveTCPAddr("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	return told{l, address}, p
}

// told is a listener that goes by another address.
type told struct {
	net.Listener
	address net.Addr
}

func (l told) Addr() net.Addr { return l.address }

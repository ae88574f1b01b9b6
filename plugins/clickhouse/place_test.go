package clickhouse

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"clickstream/internal/engine/enginetest"
)

// balancer is one address before several servers: each new connection goes to the next of
// those that are in turn.
type balancer struct {
	address string
	turns   atomic.Pointer[[]string]
	n       atomic.Int64
}

func startBalancer(t testing.TB, to ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{address: l.Addr().String()}
	b.turns.Store(&to)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			turns := *b.turns.Load()
			go handOn(client, turns[int(b.n.Add(1))%len(turns)])
		}
	}()
	return b
}

func handOn(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer client.Close()
		defer server.Close()
		_, _ = io.Copy(client, server)
	}()
	_, _ = io.Copy(server, client)
}

// twoServers are servers with the same tables; engine is the first of them.
func twoServers(t *testing.T) (a, b fixture, engine *enginetest.Own) {
	t.Helper()
	first, second := enginetest.StartOwn(t, enginetest.Options{}), enginetest.StartOwn(t, enginetest.Options{})
	name := first.Database(t)
	if err := second.Conn(t, "").Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	a, b = fixture{first.Server, name}, fixture{second.Server, name}
	a.schema(t)
	b.schema(t)
	return a, b, first
}

// TestTwoServersBehindOneName: an address that leads to two servers is refused at the start;
// one that leads to another server later is not written to until it leads back.
func TestTwoServersBehindOneName(t *testing.T) {
	a, b, engine := twoServers(t)
	name := startBalancer(t, a.Native, b.Native)
	yaml := strings.Replace(a.yaml("events", "exactly_once: true"), a.Native, name.address, 1)
	want := name.address + " leads to more than one server, "
	if got := fatal(t, yaml); !strings.Contains(got, want) || !strings.HasSuffix(got, errAstray.Error()) {
		t.Errorf("fatal error\n got %s\nwant ...%s...: %v", got, want, errAstray)
	}

	name.turns.Store(&[]string{a.Native})
	o, l := connected(t, yaml), acked{}
	first, second := visits(assignment(0, nil), 1, 0, 10), visits(assignment(0, nil), 1, 5, 20)
	l.add(t, first)
	l.add(t, second)
	mustWrite(t, o, first)
	name.turns.Store(&[]string{b.Native})
	engine.Kill()
	engine.Restart(t)
	done := make(chan error, 1)
	go func() { done <- o.WriteBatch(context.Background(), second) }()
	eventually(t, "health to name the other server", func() bool {
		return strings.Contains(trouble(o), "by now, and led to ") && strings.Contains(trouble(o), errAstray.Error())
	})
	t.Log(trouble(o))
	if got := b.query(t, "SELECT count() + (SELECT count() FROM events_fence) FROM events"); got != "0" {
		t.Errorf("rows and owners at the other server\n got %s\nwant 0", got)
	}
	name.turns.Store(&[]string{a.Native})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	l.holds(t, a)
}

package faultproxy

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// echo answers every client with what it says.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// say sends "hello" and returns what comes back within half a second, and how it ended.
func say(t *testing.T, address string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "refused"
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond))
	_, _ = io.WriteString(c, "hello")
	got := make([]byte, 5)
	n, err := io.ReadFull(c, got)
	switch {
	case err == nil:
		return "hello"
	case strings.Contains(err.Error(), "timeout"):
		return string(got[:n]) + " timeout"
	case strings.Contains(err.Error(), "reset"):
		return string(got[:n]) + " reset"
	}
	return string(got[:n]) + " cut"
}

// TestFaults: each fault looks to a client as its name says, and is over when healed.
func TestFaults(t *testing.T) {
	p := Start(t, echo(t))
	for name, tc := range map[string]struct {
		fault Fault
		want  string
	}{
		"refuse":            {Refuse(), "refused"},
		"reset":             {Reset(Up), " reset"},
		"black hole":        {BlackHole(Up), " timeout"},
		"half open":         {BlackHole(Down), " timeout"},
		"one byte a second": {OneByteASecond(Down), "h timeout"},
		"slow":              {Delay(Down, 2000), " timeout"},
		"half answer":       {CutAfter(Down, 2), "he cut"},
	} {
		t.Run(name, func(t *testing.T) {
			heal := p.Break(tc.fault)
			if got := say(t, p.Address()); got != tc.want {
				t.Errorf("broken\n got %q\nwant %q", got, tc.want)
			}
			heal()
			if got := say(t, p.Address()); got != "hello" {
				t.Errorf("healed\n got %q\nwant hello", got)
			}
		})
	}
}

// TestHalfRequest: the server gets no more than was let through.
func TestHalfRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := Start(t, l.Addr().String())
	defer p.Break(CutAfter(Up, 3))()
	client, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _ = io.WriteString(client, "hello")
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if got, err := io.ReadAll(server); string(got) != "hel" {
		t.Errorf("got %q, %v\nwant hel", got, err)
	}
}

// TestBefore: the listener goes by the proxy's address.
func TestBefore(t *testing.T) {
	l, p := Before(t)
	t.Cleanup(func() { _ = l.Close() })
	if got := l.Addr().String(); got != p.Address() {
		t.Errorf("address\n got %s\nwant %s", got, p.Address())
	}
}

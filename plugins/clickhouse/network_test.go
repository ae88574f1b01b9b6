package clickhouse

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"clickstream/internal/faultproxy"
	"clickstream/internal/process"
)

// behind is an output that writes exactly once through a proxy, by native or http.
func behind(t testing.TB, protocol, more string) (fixture, *faultproxy.Proxy, *output) {
	t.Helper()
	f, yaml := guarded(t)
	address := f.Native
	if protocol == "http" {
		address = f.HTTP
	}
	p := faultproxy.Start(t, address)
	yaml = strings.Replace(yaml, f.Native, p.Address(), 1) + "\nprotocol: " + protocol + "\n" + more
	return f, p, connected(t, yaml)
}

// trouble is what /ready says of an output; empty while all is well.
func trouble(o *output) string {
	if err := process.Health()[o.config.healthName()]; err != nil {
		return err.Error()
	}
	return ""
}

// underWay writes a batch while the test breaks things.
func underWay(o *output, l acked, t *testing.T, first, end int) <-chan error {
	batch := visits(assignment(0, nil), 1, first, end)
	l.add(t, batch)
	done := make(chan error, 1)
	go func() { done <- o.WriteBatch(context.Background(), batch) }()
	return done
}

// TestHalfRequest cuts the connection after every so many bytes of an insert, and of
// its answer: whatever has arrived by then, each event is one row in the end.
func TestHalfRequest(t *testing.T) {
	for _, protocol := range []string{"native", "http"} {
		for _, direction := range []string{faultproxy.Up, faultproxy.Down} {
			t.Run(protocol+" "+direction, func(t *testing.T) { t.Parallel(); sweep(t, protocol, direction) })
		}
	}
}

func sweep(t *testing.T, protocol, direction string) {
	f, p, o := behind(t, protocol, "compression: none")
	l, r, a := acked{}, seeded(t), assignment(0, nil)
	most := 250
	if protocol == "native" && direction == faultproxy.Down {
		most = 60 // its answer is short
	}
	step := func() int { return 1 + r.IntN(most) }
	if thorough() {
		step = func() int { return 1 }
	}
	const size = 5
	first := visits(a, 1, 0, size)
	l.add(t, first)
	mustWrite(t, o, first)
	cuts := 0
	for n, whole := 0, false; !whole; n += step() {
		heal := p.Break(faultproxy.CutAfter(direction, n))
		batch := visits(a, 1, (cuts+1)*size, (cuts+2)*size)
		l.add(t, batch)
		done := make(chan error, 1)
		go func() { done <- o.WriteBatch(context.Background(), batch) }()
		var err error
		eventually(t, "a cut or an answer", func() bool {
			select {
			case err = <-done:
				whole = true
			default:
			}
			return whole || trouble(o) != ""
		})
		heal()
		if !whole {
			err = <-done
			cuts++
		}
		if err != nil {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	t.Logf("%d cuts", cuts)
	if cuts < 3 {
		t.Errorf("%d cuts, want 3 or more: the proxy is not in the way", cuts)
	}
	l.holds(t, f)
}

// TestNetworkFaults: whatever a network does, the output says within bounded time what
// it sees and where, goes on when it is over, and each event is one row.
func TestNetworkFaults(t *testing.T) {
	const late = `deadline exceeded|i/o timeout`
	for name, tc := range map[string]struct {
		fault faultproxy.Fault
		want  string
	}{
		"refused":                       {faultproxy.Refuse(), `connection refused`},
		"reset":                         {faultproxy.Reset(faultproxy.Up), `connection reset|EOF|broken pipe`},
		"reset before the answer":       {faultproxy.Reset(faultproxy.Down), `connection reset|EOF|broken pipe`},
		"black hole":                    {faultproxy.BlackHole(faultproxy.Up), late},
		"half open":                     {faultproxy.BlackHole(faultproxy.Down), late},
		"one byte a second":             {faultproxy.OneByteASecond(faultproxy.Up), late},
		"one byte of answer a second":   {faultproxy.OneByteASecond(faultproxy.Down), late},
		"answers later than the insert": {faultproxy.Delay(faultproxy.Down, 1500), late},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, p, o := behind(t, "native", "insert_timeout: 400ms")
			l := acked{}
			if err := <-underWay(o, l, t, 0, 100); err != nil {
				t.Fatal(err)
			}
			heal, broken := p.Break(tc.fault), time.Now()
			done := underWay(o, l, t, 100, 300)
			eventually(t, "a report", func() bool { return trouble(o) != "" })
			if took := time.Since(broken); took > 5*time.Second {
				t.Errorf("noticed after %v, want insert_timeout and a little", took)
			}
			eventually(t, "the cause", func() bool { return regexp.MustCompile(tc.want).MatchString(trouble(o)) })
			if got := trouble(o); !strings.Contains(got, p.Address()) {
				t.Errorf("report\n got %s\nwant the address %s in it", got, p.Address())
			}
			select {
			case err := <-done:
				t.Fatalf("answered through a broken network: %v", err)
			default:
			}
			heal()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := trouble(o); got != "" {
				t.Errorf("report after it was over\n got %s\nwant none", got)
			}
			l.holds(t, f)
		})
	}
}

// TestNoSuchHost: a name that nothing answers to is waited for, and said.
func TestNoSuchHost(t *testing.T) {
	f, yaml := guarded(t)
	host := strings.Repeat("a", 64) + ".example" // a label too long for DNS: no resolver asks anybody
	o := build(t, strings.Replace(yaml, f.Native, host+":9000", 1))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Connect(ctx) }()
	eventually(t, "a report", func() bool { return strings.Contains(trouble(o), "lookup "+host+": no such host") })
	select {
	case err := <-process.Fatals():
		t.Errorf("asked the process to stop: %v", err)
	default:
	}
	cancel()
	<-done
	_ = o.Close(context.Background())
}

// TestReconnectsLeakNothing: connections that break again and again leave no goroutine
// and no file behind.
func TestReconnectsLeakNothing(t *testing.T) {
	f, p, o := behind(t, "native", "insert_timeout: 400ms")
	l := acked{}
	times := 20
	if thorough() {
		times = 200
	}
	var goroutines, files int
	for n := range times {
		heal := p.Break(faultproxy.Refuse())
		done := underWay(o, l, t, 10*n, 10*n+10)
		eventually(t, "the insert fails", func() bool { return trouble(o) != "" })
		heal()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if n < 5 {
			goroutines, files = max(goroutines, runtime.NumGoroutine()), max(files, openFiles(t))
		}
	}
	eventually(t, "goroutines and files to be few again", func() bool {
		return runtime.NumGoroutine() <= goroutines+5 && openFiles(t) <= files+5
	})
	l.holds(t, f)
}

// openFiles counts this process' open files.
func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestWrongAddress: the report of an address at which no ClickHouse answers says what
// to look at.
func TestWrongAddress(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // as an HTTP port is to the native protocol
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for want, address := range map[string]net.Addr{
		"is ClickHouse running?":                    closed.Addr(),
		"does this port speak the native protocol?": silent.Addr(),
	} {
		f, yaml := guarded(t)
		o := build(t, strings.Replace(yaml, f.Native, address.String(), 1)+"\ninsert_timeout: 1s")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- o.Connect(ctx) }()
		eventually(t, want, func() bool { return strings.Contains(trouble(o), want) })
		cancel()
		<-done
		_ = o.Close(context.Background())
	}
}

package kafka

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

	"github.com/twmb/franz-go/pkg/kfake"
)

// behindProxy starts a broker that can be reached, and says so, through a proxy only.
func behindProxy(t *testing.T) (*faultproxy.Proxy, string) {
	t.Helper()
	l, p := faultproxy.Before(t)
	startBroker(t, kfake.ListenFn(func(string, string) (net.Listener, error) { return l, nil }))
	return p, p.Address()
}

// times lets a broken connection be noticed soon.
const times = "request_timeout: 500ms\ndial_timeout: 500ms\n"

// TestNetworkFaults: whatever a network does, the input says within bounded time what it
// sees and where, both sides go on when it is over, and each event is one record, read
// and committed. The output says it when a produce request has timed out, after ten
// seconds and request_timeout.
func TestNetworkFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		fault faultproxy.Fault
		want  string
	}{
		"refused":                     {faultproxy.Refuse(), `connection refused`},
		"reset":                       {faultproxy.Reset(faultproxy.Up), `reset|EOF|closed|broken pipe`},
		"reset before the answer":     {faultproxy.Reset(faultproxy.Down), `reset|EOF|closed|broken pipe`},
		"black hole":                  {faultproxy.BlackHole(faultproxy.Up), `timeout|no answer in time`},
		"half open":                   {faultproxy.BlackHole(faultproxy.Down), `timeout|no answer in time`},
		"one byte a second":           {faultproxy.OneByteASecond(faultproxy.Up), `timeout|no answer in time`},
		"one byte of answer a second": {faultproxy.OneByteASecond(faultproxy.Down), `timeout|no answer in time`},
		"answers too late":            {faultproxy.Delay(faultproxy.Down, 12_000), `timeout|no answer in time`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, addr := behindProxy(t)
			r := newRelay(t, addr, times)
			in := r.start(addr, times)
			r.write(100)
			eventually(t, "the first events to be read", func() bool { return r.read() == r.next })
			heal := p.Break(tc.fault)
			batch, done := r.batch(300), make(chan error, 1)
			go func() { done <- r.out.WriteBatch(context.Background(), batch) }()
			who := []string{in.health()}
			if thorough() {
				who = append(who, r.out.health)
			}
			for _, health := range who {
				var got string
				eventually(t, health+" to report "+tc.want, func() bool {
					if err := healthOf(health); err != nil {
						got = err.Error()
					}
					return regexp.MustCompile(tc.want).MatchString(got)
				})
				if !strings.Contains(got, addr) {
					t.Errorf("report\n got %s\nwant the address %s in it", got, addr)
				}
			}
			heal()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			r.write(10)
			r.settle(addr)
		})
	}
}

// TestHalfRequest cuts every connection after so many bytes, of what is asked and of
// what is answered: no event is lost, and none is written twice.
func TestHalfRequest(t *testing.T) {
	for _, direction := range []string{faultproxy.Up, faultproxy.Down} {
		t.Run(direction, func(t *testing.T) {
			t.Parallel()
			p, addr := behindProxy(t)
			r, random := newRelay(t, addr, "compression: none\n"+times), seeded(t)
			r.start(addr, times)
			r.write(10)
			step := func() int { return 1 + random.IntN(100) }
			if thorough() {
				step = func() int { return 1 }
			}
			for n := 0; n < 1500; n += step() {
				heal := p.Break(faultproxy.CutAfter(direction, n))
				batch, done := r.batch(5), make(chan error, 1)
				go func() { done <- r.out.WriteBatch(context.Background(), batch) }()
				var err error
				select {
				case err = <-done:
					heal()
				case <-time.After(100 * time.Millisecond): // the cut has come, or is about to
					heal()
					err = <-done
				}
				if err != nil {
					t.Fatalf("cut after %d bytes: %v", n, err)
				}
			}
			r.settle(addr)
		})
	}
}

// TestNoSuchHost: a name that nothing answers to is waited for, and said with what to do.
func TestNoSuchHost(t *testing.T) {
	host := strings.Repeat("a", 64) + ".example" // a label too long for DNS: no resolver asks anybody
	out := newOutput(t, host+":9092", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- out.Connect(ctx) }()
	eventually(t, "a report", func() bool { return healthOf(out.health) != nil })
	got := healthOf(out.health).Error()
	for _, want := range []string{host, "no such host", "check brokers"} {
		if !strings.Contains(got, want) {
			t.Errorf("report\n got %s\nwant %q in it", got, want)
		}
	}
	cancel()
	<-done
	_ = out.Close(context.Background())
}

// TestReconnectsLeakNothing: connections that break again and again, and sessions that
// start anew, leave no goroutine and no file behind.
func TestReconnectsLeakNothing(t *testing.T) {
	p, addr := behindProxy(t)
	r := newRelay(t, addr, times)
	in := r.start(addr, times)
	rounds := 8
	if thorough() {
		rounds = 150
	}
	var goroutines, files int
	for n := range rounds {
		r.write(10)
		heal := p.Break(faultproxy.Refuse())
		eventually(t, "the input to notice", func() bool { return healthOf(in.health()) != nil })
		heal()
		eventually(t, "the input to go on", func() bool { return healthOf(in.health()) == nil })
		again := startInput(t, addr, times)
		_ = again.Close(context.Background())
		if n < 4 { // how many there are varies with how far each side has come
			goroutines, files = max(goroutines, runtime.NumGoroutine()), max(files, openFiles(t))
		}
	}
	eventually(t, "goroutines and files to be few again", func() bool {
		return runtime.NumGoroutine() <= goroutines+10 && openFiles(t) <= files+10
	})
	r.settle(addr)
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

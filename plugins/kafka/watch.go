package kafka

import (
	"context"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// watchEvery is how often a cluster that gave trouble is asked whether it is back.
const watchEvery = time.Second

// watch notices that a cluster went away and that it came back. While all is well
// it sends nothing: any failed dial, read or write of the client wakes it.
type watch struct {
	trouble chan struct{}
}

func newWatch() *watch { return &watch{trouble: make(chan struct{}, 1)} }

func (w *watch) suspect(err error) {
	if err == nil {
		return
	}
	select {
	case w.trouble <- struct{}{}:
	default:
	}
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (w *watch) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	w.suspect(err)
}

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (w *watch) OnBrokerWrite(_ kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	w.suspect(err)
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (w *watch) OnBrokerRead(_ kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	w.suspect(err)
}

// run keeps l's health up to date until ctx ends. One broker of several may be
// gone: as long as any of them answers, the cluster is healthy.
func (w *watch) run(ctx context.Context, l *link) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.trouble:
		}
		for !w.settle(ctx, l) {
			if !sleep(ctx, watchEvery) {
				return
			}
		}
	}
}

// settle asks the cluster once, and reports whether it answered.
func (w *watch) settle(ctx context.Context, l *link) bool {
	_, err := l.probe(ctx)
	if ctx.Err() != nil {
		return true
	}
	select {
	case <-w.trouble: // our own question's
	default:
	}
	if err == nil {
		l.up()
		return true
	}
	why, _ := l.explain(err)
	l.down(why)
	return false
}

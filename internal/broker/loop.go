package broker

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	_ "unsafe" // for go:linkname

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake handles every request in one goroutine that it starts itself, so a panic
// there is the end of the process and nobody else can recover it. These two of its
// functions, which it does not export, let that goroutine run its own loop once more
// below a frame of ours, which can. A version of kfake without them does not link;
// one in which they mean something else fails TestPanicEndsItsConnection.

//go:linkname runOnLoop github.com/twmb/franz-go/pkg/kfake.(*Cluster).admin
func runOnLoop(c *kfake.Cluster, fn func())

//go:linkname requestLoop github.com/twmb/franz-go/pkg/kfake.(*Cluster).run
func requestLoop(c *kfake.Cluster)

// loop keeps kfake's request loop alive: a panic in a request ends the connection
// that sent it, and the loop goes on with the next request.
type loop struct {
	cluster *kfake.Cluster
	log     *slog.Logger
	current atomic.Pointer[kmsg.Request] // the latest request that the loop took up
	panics  atomic.Int64
	// ended is told the request of a panic, nil if the loop had none.
	ended func(kmsg.Request)
	done  chan struct{} // closed when the loop has ended for good
}

// supervise takes the loop over; it returns once that is so.
func supervise(c *kfake.Cluster, log *slog.Logger, ended func(kmsg.Request)) *loop {
	l := &loop{cluster: c, log: log, ended: ended, done: make(chan struct{})}
	running := make(chan struct{})
	go func() {
		defer close(l.done)
		runOnLoop(c, func() {
			close(running)
			for !l.once() {
			}
		})
	}()
	<-running
	return l
}

// once runs the loop until it ends (true: the cluster was closed) or panics.
func (l *loop) once() (closed bool) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		l.panics.Add(1)
		var req kmsg.Request
		if p := l.current.Load(); p != nil {
			req = *p
		}
		l.log.Error("request failed within the broker, its connection is ended: please report this",
			"request", nameOf(req), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		l.ended(req)
	}()
	requestLoop(l.cluster)
	return true
}

// took notes the request that the loop takes up.
func (l *loop) took(req kmsg.Request) { l.current.Store(&req) }

func nameOf(req kmsg.Request) string {
	if req == nil {
		return "none"
	}
	return fmt.Sprintf("%s v%d", kmsg.NameForKey(req.Key()), req.GetVersion())
}

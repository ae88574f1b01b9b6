package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// victim is a process of the storm that is started again whenever it was killed.
type victim struct {
	*storm
	name    string
	ready   string                               // begins the line that says a server listens; pipelines have none
	command func(start int) (env, args []string) // of its nth start
	unnamed bool                                 // a consumer whose death the group has to notice

	mu      sync.Mutex
	current *life // nil while it is down
	starts  int
	kills   int
	retired bool // not to be started again
}

// life is a service from a start to its end.
type life struct {
	*proc
	victim   *victim
	address  string // of a pipeline's HTTP server
	began    time.Time
	ended    atomic.Bool // by the storm
	listens  chan struct{}
	inserted chan struct{} // closed once a consumer has inserted rows
	first    time.Duration // from its start to then
}

// up starts the service, and watches it.
func (v *victim) up() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.retired || v.current != nil {
		return
	}
	env, args := v.command(v.starts)
	v.starts++
	// A new address each time: the one before may be held by a process that is stopped.
	address, err := findAddress()
	if err != nil {
		v.failf("%s: %v", v.name, err)
		return
	}
	env = append(env, "HTTP_ADDRESS="+address)
	p, err := launch(v.t, v.env(env...), args...)
	if err != nil {
		v.failf("%s: %v", v.name, err)
		return
	}
	r := &life{proc: p, victim: v, address: address, began: time.Now(), listens: make(chan struct{}), inserted: make(chan struct{})}
	v.current = r
	v.note("%s starts (pid %d)", v.name, p.cmd.Process.Pid)
	v.workers.Go(func() { v.watch(r) })
	switch {
	case v.ready != "":
		v.workers.Go(r.awaitListening)
	case strings.HasPrefix(v.name, "consumer"):
		v.workers.Go(r.awaitInsert)
	}
}

// watch notices an end that nobody asked for: a fault of the program, which is
// started again all the same, so that the storm goes on.
func (v *victim) watch(r *life) {
	<-r.done
	v.keepLog(r)
	if r.ended.Load() {
		return
	}
	v.failf("%s ended by itself with %s:\n%s", v.name, r.cmd.ProcessState, lastLines(r.out.String(), 30))
	v.mu.Lock()
	v.current = nil
	v.mu.Unlock()
	if v.sleep(time.Second) {
		v.up()
	}
}

// living waits until the service is up, which may be a millisecond ago. It returns nil
// only after the storm's end.
func (v *victim) living() *life {
	for {
		v.mu.Lock()
		r := v.current
		v.mu.Unlock()
		if r != nil || !v.sleep(5*time.Millisecond) {
			return r
		}
	}
}

// kill is kill -9, and a start after lag.
func (v *victim) kill(r *life, lag time.Duration) {
	r.ended.Store(true)
	r.kill()
	v.mu.Lock()
	v.current = nil
	v.kills++
	v.mu.Unlock()
	v.workers.Go(func() {
		if v.sleep(lag) {
			v.up()
		}
	})
}

// pause stops a process for d, whatever happens to it meanwhile.
func (v *victim) pause(r *life, d time.Duration) {
	v.paused.Add(1)
	r.signal(syscall.SIGSTOP)
	v.workers.Go(func() {
		v.sleep(d)
		r.signal(syscall.SIGCONT)
		v.paused.Add(-1)
	})
}

// replace starts the service anew while a life of it is only stopped, which whoever
// started the new one took for dead. Later that one goes on, for a while.
func (v *victim) replace(r *life, stopped, after time.Duration) {
	r.ended.Store(true)
	r.signal(syscall.SIGSTOP)
	v.mu.Lock()
	v.current = nil
	v.mu.Unlock()
	v.up()
	v.workers.Go(func() {
		v.sleep(stopped)
		r.signal(syscall.SIGCONT)
		v.note("%s: pid %d goes on beside its replacement", v.name, r.cmd.Process.Pid)
		v.sleep(after)
		r.kill()
		v.note("%s: pid %d is gone: %s", v.name, r.cmd.Process.Pid, r.cmd.ProcessState)
	})
}

// retire ends the service for good: by a stop in order that has grace to come to its
// end, and then by a kill.
func (v *victim) retire(grace time.Duration) {
	v.mu.Lock()
	v.retired = true
	r := v.current
	v.current = nil
	v.mu.Unlock()
	if r == nil {
		return
	}
	r.ended.Store(true)
	defer r.kill()
	if grace == 0 {
		v.note("%s is killed for good", v.name)
		return
	}
	v.note("%s is stopped for good, and killed if that takes more than %s", v.name, grace)
	r.signal(syscall.SIGCONT)
	r.signal(syscall.SIGTERM)
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-r.done:
		// 3: a stop in the middle of an outage leaves records to the next one. -1: it had
		// only just begun, and did not listen for signals yet.
		code := r.cmd.ProcessState.ExitCode()
		if code != exitOK && code != exitUnacked && (code != -1 || time.Since(r.began) > 5*time.Second) {
			v.failf("%s: exit code %d at a stop in order:\n%s", v.name, code, lastLines(r.out.String(), 30))
		}
	case <-late.C:
		if grace == patience {
			v.failf("%s did not stop within %s:\n%s", v.name, patience, lastLines(r.out.String(), 30))
		}
	}
}

// awaitListening closes listens once the server says that it serves.
func (r *life) awaitListening() {
	for !strings.Contains(r.out.String(), r.victim.ready) {
		select {
		case <-r.done:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	close(r.listens)
}

// awaitInsert closes inserted once the consumer has stored rows, by its own count.
func (r *life) awaitInsert() {
	p := &pipelineProc{proc: r.proc, address: r.address}
	for {
		if n, err := p.counter("clickstream_clickhouse_rows_total"); err == nil && n > 0 {
			r.first = time.Since(r.began)
			close(r.inserted)
			return
		}
		select {
		case <-r.done:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *life) hasInserted() bool {
	select {
	case <-r.inserted:
		return true
	default:
		return false
	}
}

// newServices makes the storm's processes; none runs yet.
func (s *storm) newServices() {
	fixed := func(args ...string) func(int) ([]string, []string) {
		return func(int) ([]string, []string) { return nil, args }
	}
	s.services = map[string]*victim{
		"broker": {storm: s, name: "broker", ready: "broker ready", command: fixed("broker", "--data", s.dir+"/broker", "--listen", s.brokerAddr)},
		"engine": {storm: s, name: "engine", ready: "engine ready", command: fixed("engine", "--data", s.dir+"/engine", "--native", s.native, "--http", s.http)},
	}
	s.services["producer"] = &victim{storm: s, name: "producer", command: func(int) ([]string, []string) {
		return []string{fmt.Sprintf("RATE=%d", s.plan.rate)}, []string{"-c", "../../pipelines/produce.yaml"}
	}}
	s.services["consumer-1"] = s.newConsumer("consumer-1", "storm-1")
}

// newConsumer makes a consumer, named for the group or not. Every other start has
// small and frequent inserts, so that faults meet many of them.
func (s *storm) newConsumer(name, instance string) *victim {
	return &victim{storm: s, name: name, unnamed: instance == "", command: func(start int) (env, args []string) {
		args = []string{"-c", "../../pipelines/consume.yaml"}
		if rand.New(rand.NewPCG(s.seed, uint64(start)<<8+uint64(name[len(name)-1]))).IntN(2) == 0 {
			args = append(args, quick...)
		}
		env = []string{"KAFKA_INSTANCE_ID=" + instance}
		if name == "consumer-1" {
			env = append(env, "CLICKHOUSE_ADDR="+s.proxy.address())
		}
		return env, args
	}}
}

package main

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// withFake puts a broker of this process in the place of the stack's own: one that a test
// can make say, or drop, what it wants.
func (s *stack) withFake(opts ...kfake.Opt) *kfake.Cluster {
	s.t.Helper()
	s.broker.kill()
	broker, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(3, "clickstream"), kfake.SeedTopics(1, "clickstream-dead-letters"))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(broker.Close)
	s.brokerAddr = broker.ListenAddrs()[0]
	return broker
}

// TestKilledAtEachStep: kill -9 of the consumer at each step that a block goes through,
// not near it: half of its rows sent, stored but not acknowledged, acknowledged but not
// committed, committed but not told so.
func TestKilledAtEachStep(t *testing.T) {
	s := newStack(t)
	broker := s.withFake()
	produce := s.pipeline("produce", []string{"RATE=1000"})
	name := []string{"KAFKA_INSTANCE_ID=one"}
	for step, reach := range map[string]func() (consume *pipelineProc, over func()){
		"half of the rows sent": func() (*pipelineProc, func()) {
			p := startProxy(t, s.native)
			consume := s.pipeline("consume", append(name, "CLICKHOUSE_ADDR="+p.address()), quick...)
			s.grown()
			p.fault.Store(hold)
			<-p.held
			return consume, func() { close(p.release) }
		},
		"stored, not acknowledged": func() (*pipelineProc, func()) {
			p := startProxy(t, s.native)
			consume := s.pipeline("consume", append(name, "CLICKHOUSE_ADDR="+p.address()), quick...)
			s.grown()
			p.fault.Store(loseAck)
			await(t, "a lost answer", func() error {
				if p.hit.Load() == 0 {
					return errors.New("none yet")
				}
				return nil
			})
			return consume, func() {}
		},
		"acknowledged, not committed": func() (*pipelineProc, func()) {
			consume := s.pipeline("consume", name, quick...)
			s.grown()
			s.atCommit(broker, consume, errors.New("the connection ends"))
			return consume, func() {}
		},
		"committed, not told": func() (*pipelineProc, func()) {
			consume := s.pipeline("consume", name, quick...)
			s.grown()
			s.atCommit(broker, consume, nil)
			return consume, func() {}
		},
	} {
		t.Log(step)
		consume, over := reach()
		consume.kill()
		over()
	}
	produce.stop()
	consume := s.pipeline("consume", name, quick...)
	s.drained()
	consume.stop()
	s.exact()
	s.allCommitted()
}

// atCommit stops a consumer when its next commit reaches the broker, which then takes the
// commit, or ends the connection with lost instead.
func (s *stack) atCommit(broker *kfake.Cluster, consume *pipelineProc, lost error) {
	s.t.Helper()
	come := make(chan struct{}, 1)
	var once atomic.Bool // what does not answer a request is asked about the next one, too
	broker.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		if once.Swap(true) {
			return nil, nil, false
		}
		_ = consume.cmd.Process.Signal(syscall.SIGSTOP)
		come <- struct{}{}
		return nil, lost, lost != nil
	})
	select {
	case <-come:
	case <-time.After(patience):
		s.t.Fatal("no commit came")
	}
}

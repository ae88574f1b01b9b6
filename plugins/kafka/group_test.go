package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"clickstream/internal/event"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quickGroups makes the broker's part of KIP-848 as quick as the tests' timeouts.
func quickGroups() kfake.Opt {
	return kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "100"})
}

// assignedTo returns the partitions that in holds.
func assignedTo(in *input) int {
	s := in.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.partitions)
}

// A second member joins while the first one holds batches. They are acknowledged
// during the drain, and nobody may read them again.
func TestDrainOnRevoke(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			addr := addresses(startBroker(t, quickGroups()))
			fill(t, addr, 100, 0, 1, 2)
			yaml := "group_protocol: " + protocol + "\nmax_batch_records: 10"
			one := startInput(t, addr, yaml)
			var held []got
			for range 9 {
				held = append(held, read(t, one))
			}
			two := startInput(t, addr, yaml)
			// The first member is told to give up a partition, and waits for us.
			eventually(t, "the drain", func() bool { return draining(one) })
			if assignedTo(two) != 0 {
				t.Fatal("the second member has a partition that the first has not given up")
			}
			for _, g := range held {
				g.answer(t, nil)
			}
			eventually(t, "the second member's share", func() bool { return assignedTo(two) > 0 })
			times := seen(held)
			finish(t, times, 300, one, two)
			for coordinate, n := range times {
				if n != 1 {
					t.Errorf("%s was read %d times", coordinate, n)
				}
			}
			awaitCommitted(t, addr, 100, 100, 100)
		})
	}
}

func draining(in *input) bool {
	s := in.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.partitions {
		if p.offsets.Refuses() {
			return true
		}
	}
	return false
}

func seen(batches []got) map[string]int {
	times := map[string]int{}
	for _, g := range batches {
		for _, c := range g.coordinates() {
			times[c]++
		}
	}
	return times
}

// finish reads and acknowledges with several members until want records were seen.
func finish(t *testing.T, times map[string]int, want int, members ...*input) {
	t.Helper()
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, in := range members {
		group.Go(func() {
			for {
				messages, ack, err := in.ReadBatch(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				for _, m := range messages {
					c := event.CoordinateOf(m)
					times[fmt.Sprintf("%d/%d", c.Partition, c.Offset)]++
				}
				if len(times) >= want {
					cancel()
				}
				mu.Unlock()
				_ = ack(ctx, nil)
			}
		})
	}
	group.Wait()
	if len(times) != want {
		t.Fatalf("seen %d records, want %d", len(times), want)
	}
}

// The output is too slow for the drain. Its late acknowledgements must not commit:
// the partition belongs to somebody else.
func TestLateAckCommitsNothing(t *testing.T) {
	addr := addresses(startBroker(t, quickGroups()))
	fill(t, addr, 10, 0, 1, 2)
	one := startInput(t, addr, "drain_timeout: 50ms")
	held := []got{read(t, one), read(t, one), read(t, one)}
	two := startInput(t, addr, "")
	eventually(t, "the second member's share", func() bool { return assignedTo(two) > 0 })
	moved := partitionsOf(two)
	for _, g := range held {
		g.answer(t, nil)
	}
	if err := one.current().commit(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for p, at := range committed(t, addr) {
		if slices.Contains(moved, int32(p)) && at > 0 {
			t.Errorf("partition %d: the former owner committed %d", p, at)
		}
	}
	var again []got
	for range moved {
		again = append(again, read(t, two))
	}
	if got, want := len(seen(again)), 10*len(moved); got != want {
		t.Errorf("read by the new owner\n got %d records\nwant %d", got, want)
	}
}

func partitionsOf(in *input) []int32 {
	s := in.current()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int32
	for id := range s.partitions {
		out = append(out, id)
	}
	return out
}

// The group throws a member out, as after a long pause: it may not commit what it
// still holds, and reads on as a new member.
func TestLostMembershipCommitsNothing(t *testing.T) {
	broker := startBroker(t, quickGroups())
	addr := addresses(broker)
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "")
	held := read(t, in)
	broker.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		return resp, nil, true
	})
	again := read(t, in) // comes from a new assignment
	if !slices.Equal(again.coordinates(), held.coordinates()) {
		t.Errorf("again\n got %v\nwant %v", again.coordinates(), held.coordinates())
	}
	held.answer(t, nil)
	if err := in.current().commit(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got := committed(t, addr)[0]; got > 0 {
		t.Errorf("committed %d for a membership that was lost", got)
	}
	again.answer(t, nil)
	awaitCommitted(t, addr, 10, -1, -1)
}

func TestRefusedCommitIsTriedAgain(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "commit_interval: 50ms")
	refused := make(chan struct{}, 1)
	broker.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		refused <- struct{}{}
		return refusedCommit(req, kerr.RebalanceInProgress), nil, true
	})
	read(t, in).answer(t, nil)
	select {
	case <-refused:
	case <-deadline(t).Done():
		t.Fatal("no commit came")
	}
	awaitCommitted(t, addr, 10, -1, -1)
}

// Members come and go, some of them without a word, while records are read: none
// may be missing at the end. (Those that went without a word cost repeats.)
func TestMembersComeAndGo(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			addr := addresses(startBroker(t, quickGroups()))
			const each = 2000
			fill(t, addr, each, 0, 1, 2)
			yaml := "group_protocol: " + protocol + "\nmax_batch_records: 50"
			times := map[string]int{}
			for round := range 4 {
				in, other := startInput(t, addr, yaml), startInput(t, addr, yaml)
				finishSome(t, times, in, 10)
				finishSome(t, times, other, round)
				_ = other.Close(context.Background())
				finishSome(t, times, in, 5)
				_ = in.Close(context.Background())
			}
			last := startInput(t, addr, yaml)
			finish(t, times, 3*each, last)
			for coordinate, n := range times {
				if n != 1 {
					t.Errorf("%s was acknowledged %d times", coordinate, n)
				}
			}
		})
	}
}

// finishSome reads and acknowledges up to n batches, as far as there are any soon.
func finishSome(t *testing.T, times map[string]int, in *input, n int) {
	t.Helper()
	for range n {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		messages, ack, err := in.ReadBatch(ctx)
		cancel()
		if err != nil {
			return
		}
		g := got{messages, ack}
		for _, c := range g.coordinates() {
			times[c]++
		}
		g.answer(t, nil)
	}
}

package kafka

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"clickstream/internal/process"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cutBack is a broker whose log was put back to the first 10 of 20 records that the
// group had read, and then grew by these many in another leader epoch.
func cutBack(t *testing.T, grown int) (addr string) {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	start := func() *kfake.Cluster { return startBroker(t, kfake.DataDir(dir), kfake.Ports(port)) }
	broker := start()
	addr = addresses(broker)
	fill(t, addr, 10, 0)
	broker.Close()
	older := filepath.Join(t.TempDir(), "older")
	if err := os.CopyFS(older, os.DirFS(filepath.Join(dir, "partitions"))); err != nil {
		t.Fatal(err)
	}
	broker = start()
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "max_batch_records: 20")
	for seen := 0; seen < 20; {
		g := read(t, in)
		seen += len(g.messages)
		g.answer(t, nil)
	}
	awaitCommitted(t, addr, 20, -1, -1)
	_ = in.Close(context.Background())
	broker.Close()
	os.RemoveAll(filepath.Join(dir, "partitions"))
	if err := os.Rename(older, filepath.Join(dir, "partitions")); err != nil {
		t.Fatal(err)
	}
	broker = start()
	if err := broker.MoveTopicPartition(testTopic, 0, 0); err != nil {
		t.Fatal(err)
	}
	if grown > 0 {
		fill(t, addr, grown, 0)
	}
	return addr
}

// TestStopsAtALostTail: a log that lost records which the group has read stops the
// process, whether it is shorter than the commit or has grown past it since, and
// nothing is delivered or committed.
func TestStopsAtALostTail(t *testing.T) {
	for name, grown := range map[string]int{"shorter than the commit": 3, "longer than the commit": 15} {
		t.Run(name, func(t *testing.T) {
			addr := cutBack(t, grown)
			in := startInput(t, addr, "")
			select {
			case got := <-process.Fatals():
				for _, want := range []string{addr, "partition 0 of topic " + testTopic, "lost offsets 10 to 19", "group " + testGroup, "`on_truncation: rewind`"} {
					if !strings.Contains(got.Error(), want) {
						t.Errorf("fatal\n got %v\nwant %s", got, want)
					}
				}
			case <-deadline(t).Done():
				t.Fatal("the process was not told to stop")
			}
			fill(t, addr, 1, 1)
			if g := read(t, in); g.partition() != 1 {
				t.Errorf("delivered %v of a log that was cut", g.coordinates())
			}
			_ = in.Close(context.Background())
			if got := committed(t, addr)[0]; got != 20 {
				t.Errorf("committed\n got %d\nwant 20", got)
			}
		})
	}
}

// TestRewindsToALostTail: with on_truncation rewind all that came after the cut is read.
func TestRewindsToALostTail(t *testing.T) {
	for name, grown := range map[string]int{"shorter than the commit": 3, "longer than the commit": 15} {
		t.Run(name, func(t *testing.T) {
			addr := cutBack(t, grown)
			in := startInput(t, addr, "on_truncation: rewind")
			next := 10
			for next < 10+grown {
				g := read(t, in)
				for _, at := range g.coordinates() {
					if want := fmt.Sprintf("0/%d", next); at != want {
						t.Fatalf("record\n got %s\nwant %s", at, want)
					}
					next++
				}
				g.answer(t, nil)
			}
			awaitCommitted(t, addr, int64(10+grown), -1, -1)
		})
	}
}

// TestAnUnknownEpochIsNoLoss: a broker that leads anew and has stored nothing since knows
// nothing of the epoch of the last record; franz-go then begins again at the start, and
// nothing of what is all there stops the process, comes twice or is asked about for ever.
func TestAnUnknownEpochIsNoLoss(t *testing.T) {
	broker := startBroker(t, quickGroups(), kfake.NumBrokers(3))
	addr := addresses(broker)
	in := startInput(t, addr, "max_batch_records: 50\nfetch_max_bytes: 1024\nfetch_max_partition_bytes: 1024")
	for next, round := 0, 0; round < 4; round++ {
		for range 50 { // a batch each
			fill(t, addr, 5, 0)
		}
		for end := next + 250; next < end; {
			g := read(t, in)
			for _, at := range g.coordinates() {
				if want := fmt.Sprintf("0/%d", next); at != want {
					t.Fatalf("record\n got %s\nwant %s", at, want)
				}
				next++
			}
			g.answer(t, nil)
		}
		var asked atomic.Int64
		h := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetForLeaderEpoch}, Observe: true, Count: -1, When: func(kmsg.Request) bool { asked.Add(1); return false }})
		broker.ShufflePartitionLeaders()
		eventually(t, "the new leader to be asked about the epoch", func() bool { return asked.Load() > 0 })
		fill(t, addr, 1, 0)
		g := read(t, in)
		if got, want := strings.Join(g.coordinates(), " "), fmt.Sprintf("0/%d", next); got != want {
			t.Fatalf("after an election: got %s, want %s", got, want)
		}
		g.answer(t, nil)
		next++
		if n := asked.Load(); n > 20 {
			t.Errorf("the brokers were asked %d times about one epoch", n)
		}
		h.Remove()
	}
	select {
	case err := <-process.Fatals():
		t.Errorf("the process was told to stop: %v", err)
	default:
	}
}

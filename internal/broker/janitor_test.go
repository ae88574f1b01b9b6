package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const deadLetters = "clicks-dead-letters"

// smallConfig makes a broker that trims at a few kilobytes.
func smallConfig(t *testing.T) Config {
	c := testConfig(t)
	c.Keep, c.SegmentBytes, c.Sweep = 1, 16<<10, 20*time.Millisecond
	return c
}

// fill writes n records of 1 KiB to one partition and returns when they are acknowledged.
func fill(t *testing.T, cl *kgo.Client, topic string, n int) {
	t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Value: filler()}
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// filler is a kilobyte that no codec makes smaller.
func filler() []byte {
	b := make([]byte, 1<<10)
	rand.Read(b)
	return b
}

func commit(t *testing.T, cl *kgo.Client, group, topic string, offset int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, offset, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
}

func logStart(t *testing.T, cl *kgo.Client, topic string) int64 {
	t.Helper()
	listed, err := kadm.NewClient(cl).ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := listed.Lookup(topic, 0)
	return o.Offset
}

// TestJanitorKeepsUnread: with two groups only what both have committed goes, and a
// topic that nobody reads keeps all.
func TestJanitorKeepsUnread(t *testing.T) {
	c := smallConfig(t)
	c.Sweep = time.Hour // the broker's own janitor looks once, before there is anything
	b := startTest(t, c)
	byHand, err := newJanitor(c, b)
	if err != nil {
		t.Fatal(err)
	}
	defer byHand.client.Close()
	sweep := func() {
		t.Helper()
		if err := byHand.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cl := client(t, b.Addr(), kgo.ProducerBatchMaxBytes(4<<10))
	for _, name := range []string{topic, deadLetters} {
		createTopic(t, cl, name, 1)
		fill(t, cl, name, 200)
	}

	sweep()
	if got := logStart(t, cl, topic); got != 0 {
		t.Errorf("log start without any group\n got %d\nwant 0", got)
	}
	commit(t, cl, "fast", topic, 200)
	commit(t, cl, "slow", topic, 50)
	sweep()
	if got := logStart(t, cl, topic); got <= 0 || got > 50 {
		t.Errorf("log start with groups at 200 and 50\n got %d\nwant 1 to 50", got)
	}
	commit(t, cl, "slow", topic, 200)
	sweep()
	if got := logStart(t, cl, topic); got <= 150 || got > 200 {
		t.Errorf("log start with both groups at 200\n got %d\nwant 151 to 200", got)
	}
	if got := logStart(t, cl, deadLetters); got != 0 {
		t.Errorf("log start of a topic without a group\n got %d\nwant 0", got)
	}
}

// TestTrimmedLogSurvivesKill: offsets go on where they were after a restart that
// finds no snapshot, as after a kill.
func TestTrimmedLogSurvivesKill(t *testing.T) {
	c := smallConfig(t)
	b := startTest(t, c)
	cl := client(t, b.Addr(), kgo.ProducerBatchMaxBytes(4<<10))
	createTopic(t, cl, topic, 1)
	fill(t, cl, topic, 200)
	commit(t, cl, "g", topic, 200)
	eventually(t, "read records are deleted", func() bool { return logStart(t, cl, topic) > 150 })
	before := logStart(t, cl, topic)
	b.Close()
	snapshots, _ := filepath.Glob(filepath.Join(c.Dir, "partitions", "*", "snapshot.json"))
	for _, s := range snapshots {
		os.Remove(s)
	}

	c.Listen = b.Addr()
	startTest(t, c)
	if got, want := logStart(t, cl, topic), before; got != want {
		t.Errorf("log start after a kill\n got %d\nwant %d", got, want)
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup(topic, 0); end.Offset != 200 {
		t.Errorf("log end after a kill\n got %d\nwant 200", end.Offset)
	}
}

// TestDiskCap: at the cap a producer waits, nothing is lost, dead letters still get
// through, and the producer goes on once the group has read.
func TestDiskCap(t *testing.T) {
	var out syncBuffer
	c := smallConfig(t)
	c.DiskCap, c.Keep = 1<<20, 128<<10
	c.Log = slog.New(slog.NewTextHandler(&out, nil))
	b := startTest(t, c)
	cl := client(t, b.Addr(), kgo.ProducerBatchMaxBytes(4<<10))
	createTopic(t, cl, topic, 1)
	createTopic(t, cl, deadLetters, 1)
	fill(t, cl, topic, 10)
	commit(t, cl, "g", topic, 10)

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	acked := make(chan error, 10_000)
	for range cap(acked) {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Value: filler()}, func(_ *kgo.Record, err error) { acked <- err })
		if waits(cl) && strings.Contains(out.String(), "broker full") {
			break
		}
	}
	if !strings.Contains(out.String(), "broker full") {
		t.Fatal("the cap did not refuse anything")
	}
	if got := logStart(t, cl, topic); got > 10 {
		t.Errorf("log start at the cap\n got %d\nwant at most 10, the group's commit", got)
	}
	fill(t, client(t, b.Addr()), deadLetters, 2) // a consumer can still put bad rows aside

	eventually(t, "all records are taken once the group reads on", func() bool {
		ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		end, _ := ends.Lookup(topic, 0)
		commit(t, cl, "g", topic, end.Offset)
		return cl.BufferedProduceRecords() == 0
	})
	for len(acked) > 0 {
		if err := <-acked; err != nil {
			t.Errorf("a record that waited at the cap: %v", err)
		}
	}
}

// waits flushes and reports whether a record is still on its way 50 ms later.
func waits(cl *kgo.Client) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	return cl.Flush(ctx) != nil
}

// syncBuffer is a bytes.Buffer that a logger writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

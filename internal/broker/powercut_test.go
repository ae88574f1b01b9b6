package broker

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// disk remembers how much of each file a power cut would leave.
type disk struct {
	mu   sync.Mutex
	size map[string]int64
	fail bool
}

func (d *disk) sync(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail {
		return errors.New("input/output error")
	}
	if !info.IsDir() {
		d.size[f.Name()] = max(d.size[f.Name()], info.Size())
	}
	return nil
}

// cut makes a folder of what dir would hold after a power cut now: of the log what was
// flushed, of its indexes nothing, of what kfake renames into place all.
func (d *disk) cut(t *testing.T, dir string) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	left := t.TempDir()
	for _, name := range []string{"meta.json", "topics.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(left, name), raw, 0o600)
	}
	for path, size := range d.size {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(left, strings.TrimPrefix(path, dir))
		os.MkdirAll(filepath.Dir(to), 0o700)
		os.WriteFile(to, raw[:size], 0o600)
	}
	return left
}

// TestPowerCut: every record that was acknowledged before a power cut is there after
// it, across many segments, with several producers.
func TestPowerCut(t *testing.T) {
	c := testConfig(t)
	c.SegmentBytes = 4 << 10
	b := startTest(t, c)
	d := &disk{size: map[string]int64{}}
	b.door.disk.sync = d.sync
	createTopic(t, client(t, b.Addr()), topic, 3)

	var mu sync.Mutex
	acked := map[string]bool{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	for producer := range 3 {
		cl := client(t, b.Addr(), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(50))
		go func() {
			for i := 0; t.Context().Err() == nil; i++ {
				value := strconv.Itoa(producer) + "-" + strconv.Itoa(i)
				cl.Produce(t.Context(), &kgo.Record{Key: []byte(value), Value: []byte(value)}, func(_ *kgo.Record, err error) {
					if err == nil {
						mu.Lock()
						acked[value] = true
						mu.Unlock()
					}
				})
			}
		}()
	}
	eventually(t, "records are acknowledged", func() bool { return count() > 5000 })
	mu.Lock()
	want := make([]string, 0, len(acked))
	for value := range acked {
		want = append(want, value)
	}
	mu.Unlock()
	left := d.cut(t, c.Dir)

	after := startTest(t, Config{Dir: left, Listen: "127.0.0.1:0", Log: c.Log})
	seen := consume(t, client(t, after.Addr(), kgo.ConsumeTopics(topic)), len(want))
	for _, value := range want {
		if seen[value] != 1 {
			t.Errorf("acknowledged record %s is there %d times", value, seen[value])
		}
	}
}

// TestNoAnswerBeforeTheDisk: while the disk fails, a record is not acknowledged, and
// when it works again it is stored once.
func TestNoAnswerBeforeTheDisk(t *testing.T) {
	b := startTest(t, testConfig(t))
	d := &disk{size: map[string]int64{}, fail: true}
	b.door.disk.sync = d.sync
	cl := client(t, b.Addr(), kgo.MetadataMinAge(10*time.Millisecond))
	createTopic(t, cl, topic, 1)
	done := make(chan error, 1)
	cl.Produce(t.Context(), &kgo.Record{Value: []byte("a")}, func(_ *kgo.Record, err error) { done <- err })
	eventually(t, "the record is in the log", func() bool {
		ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
		end, _ := ends.Lookup(topic, 0)
		return err == nil && end.Offset == 1
	})
	select {
	case err := <-done:
		t.Fatalf("answer before the record is on disk: %v", err)
	default:
	}
	d.mu.Lock()
	d.fail = false
	d.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	produce(t, cl, 0, 1)
	if seen := consume(t, client(t, b.Addr(), kgo.ConsumeTopics(topic)), 2); seen["a"] != 1 {
		t.Errorf("the record is stored %d times, want once", seen["a"])
	}
}

// TestLostTail: a log that is shorter than a group's commit, since an older copy was
// put back, is noticed; the group reads all that comes.
func TestLostTail(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := child(t, dir, "127.0.0.1:0")
	cl := client(t, addr)
	createTopic(t, cl, topic, 1)
	produce(t, cl, 0, 10)
	older := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(older, os.DirFS(filepath.Join(dir, "partitions"))); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, 10, 20)
	group := client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	consume(t, group, 20)
	if err := group.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	kill(cmd)
	group.CloseAllowingRebalance()
	cl.Close()
	os.RemoveAll(filepath.Join(dir, "partitions"))
	if err := os.Rename(older, filepath.Join(dir, "partitions")); err != nil {
		t.Fatal(err)
	}

	var log bytes.Buffer
	b := startTest(t, Config{Dir: dir, Listen: addr, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, want := range []string{"set back", "topic=" + topic, "partition=0", "group=g", "committed=20", "end=10"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log\n got %s\nwant %s", log.String(), want)
		}
	}
	cl = client(t, b.Addr())
	produce(t, cl, 100, 115)
	seen := consume(t, client(t, b.Addr(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic)), 15)
	for i := 100; i < 115; i++ {
		if seen[strconv.Itoa(i)] != 1 {
			t.Errorf("record %d was read %d times, want once", i, seen[strconv.Itoa(i)])
		}
	}
}

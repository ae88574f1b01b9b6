package broker

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// batch is a record batch of n records from offset on, as a log file holds it.
func batch(offset int64, n int, payload string) []byte {
	b := make([]byte, batchHead, batchHead+len(payload))
	b = append(b, payload...)
	binary.BigEndian.PutUint64(b, uint64(offset))
	binary.BigEndian.PutUint32(b[batchLength:], uint32(len(b)-batchFrame))
	b[16] = 2
	binary.BigEndian.PutUint32(b[batchLast:], uint32(n-1))
	binary.BigEndian.PutUint32(b[batchChecksum:], crc32.Checksum(b[batchChecked:], castagnoli))
	return b
}

func TestWholeBatches(t *testing.T) {
	two := append(batch(100, 3, "abc"), batch(103, 2, "de")...)
	flipped := append([]byte(nil), two...)
	flipped[len(flipped)-1] ^= 1
	for name, tc := range map[string]struct {
		raw  []byte
		want string
	}{
		"none":           {nil, "0 bytes to offset 100"},
		"two":            {two, fmt.Sprintf("%d bytes to offset 105", len(two))},
		"torn":           {two[:len(two)-1], "64 bytes to offset 103"},
		"torn in a head": {two[:70], "64 bytes to offset 103"},
		"flipped bit":    {flipped, "64 bytes to offset 103"},
		"zeroes":         {make([]byte, 200), "0 bytes to offset 100"},
	} {
		size, end := wholeBatches(tc.raw, 100)
		if got := fmt.Sprintf("%d bytes to offset %d", size, end); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

func FuzzWholeBatches(f *testing.F) {
	f.Add(append(batch(0, 3, "abc"), batch(3, 2, "de")...))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		size, _ := wholeBatches(raw, 0)
		if size < 0 || size > int64(len(raw)) {
			t.Fatalf("wholeBatches of %d bytes: %d", len(raw), size)
		}
		if again, _ := wholeBatches(raw[:size], 0); again != size {
			t.Fatalf("wholeBatches of its own result: got %d, want %d", again, size)
		}
	})
}

// TestTornTail: whatever a kill leaves behind the last whole batch is cut off, and
// what is written next can be read.
func TestTornTail(t *testing.T) {
	for name, tail := range map[string]string{"clean": "", "torn head": "\x00\x00\x00", "torn batch": string(batch(10, 1, "lost")[:63])} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			b := startTest(t, c)
			cl := client(t, b.Addr())
			createTopic(t, cl, topic, 1)
			produce(t, cl, 0, 10)
			b.Close()
			dir := filepath.Join(c.Dir, "partitions", topic+"-0")
			if err := os.Remove(filepath.Join(dir, "snapshot.json")); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(dir, "0.dat"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString(tail)
			f.Close()

			c.Listen = b.Addr()
			startTest(t, c)
			produce(t, cl, 10, 20)
			for value, times := range consume(t, client(t, b.Addr(), kgo.ConsumeTopics(topic)), 20) {
				if times != 1 {
					t.Errorf("record %s was stored %d times", value, times)
				}
			}
		})
	}
}

// TestTransactionsSurviveKill: a partition with transactions is left to kfake's own
// recovery: what was aborted stays invisible.
func TestTransactionsSurviveKill(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := child(t, dir, "127.0.0.1:0")
	createTopic(t, client(t, addr), topic, 1)
	tx := client(t, addr, kgo.TransactionalID("tx"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		from := 10
		if end == kgo.TryAbort {
			from = 0
		}
		produce(t, tx, from, from+10)
		if err := tx.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	kill(cmd)
	child(t, dir, addr)
	reader := client(t, addr, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	seen := consume(t, reader, 10)
	if seen["0"] != 0 || seen["10"] != 1 {
		t.Errorf("after a kill a reader of committed records saw %v\nwant records 10 to 19", seen)
	}
}

// TestEmptyTailKeepsOffset: a log whose only file holds no whole batch goes on at
// the offset of its name, not at zero.
func TestEmptyTailKeepsOffset(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 1)
	b.Close()
	dir := filepath.Join(c.Dir, "partitions", topic+"-0")
	os.MkdirAll(dir, 0o755)
	if err := os.WriteFile(filepath.Join(dir, "500.dat"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, "snapshot.json"))
	c.Listen = b.Addr()
	startTest(t, c)
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup(topic, 0); end.Offset != 500 {
		t.Errorf("next offset\n got %d\nwant 500", end.Offset)
	}
}

// TestPurgedPartitionKeepsItsEnd: a partition whose records were all deleted goes on
// where it was after a restart; its offsets are not given out again.
func TestPurgedPartitionKeepsItsEnd(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 1)
	produce(t, cl, 0, 10)
	var all kadm.Offsets
	all.AddOffset(topic, 0, 10, -1)
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	c.Listen = b.Addr()
	for range 2 {
		b.Close()
		b = startTest(t, c)
	}
	produce(t, cl, 10, 11)
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup(topic, 0); end.Offset != 11 {
		t.Errorf("end of the log\n got %d\nwant 11", end.Offset)
	}
}

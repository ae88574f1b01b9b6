package broker

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTooManyPartitions: topics are refused that would cost memory without bound, at
// once and bit by bit, and names that Kafka would not take.
func TestTooManyPartitions(t *testing.T) {
	b := startTest(t, testConfig(t))
	cl := client(t, b.Addr())
	admin := kadm.NewClient(cl)
	create := func(name string, partitions int32) error {
		resp, err := admin.CreateTopic(t.Context(), partitions, 1, nil, name)
		return errors.Join(err, resp.Err)
	}
	if err := create("huge", 20_000_000); !errors.Is(err, kerr.InvalidPartitions) {
		t.Errorf("20,000,000 partitions\n got %v\nwant %v", err, kerr.InvalidPartitions)
	}
	if err := create("none", -5); !errors.Is(err, kerr.InvalidPartitions) {
		t.Errorf("-5 partitions\n got %v\nwant %v", err, kerr.InvalidPartitions)
	}
	if err := create("large", maxPartitions-1); err != nil {
		t.Fatal(err)
	}
	if err := create("two", 2); !errors.Is(err, kerr.InvalidPartitions) {
		t.Errorf("one partition too many\n got %v\nwant %v", err, kerr.InvalidPartitions)
	}
	if err := create("one", 1); err != nil {
		t.Error(err)
	}
	grown, err := admin.UpdatePartitions(t.Context(), 20_000_000, "one")
	if err == nil {
		err = grown["one"].Err
	}
	if !errors.Is(err, kerr.InvalidPartitions) {
		t.Errorf("20,000,000 partitions for a topic that is there\n got %v\nwant %v", err, kerr.InvalidPartitions)
	}
	if err := create("../../etc", 1); !errors.Is(err, kerr.InvalidTopicException) {
		t.Errorf("a name with slashes\n got %v\nwant %v", err, kerr.InvalidTopicException)
	}
}

// TestBrokerSettingsStay: the broker's own settings cannot be changed over the wire,
// where one of them would end it for good.
func TestBrokerSettingsStay(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	zero := "0"
	altered, err := kadm.NewClient(client(t, b.Addr())).AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "offsets.retention.check.interval.ms", Value: &zero},
	})
	for _, a := range altered {
		err = errors.Join(err, a.Err)
	}
	if !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("AlterBrokerConfigs\n got %v\nwant %v", err, kerr.PolicyViolation)
	}
	b.Close()
	c.Listen = b.Addr()
	createTopic(t, client(t, startTest(t, c).Addr()), topic, 1)
}

// TestIdleConnectionsAreClosed: one that says nothing and one that stops in the middle
// of a request are closed; one that waits for an answer, and a group member, are not.
func TestIdleConnectionsAreClosed(t *testing.T) {
	c := testConfig(t)
	c.Idle = 300 * time.Millisecond
	b := startTest(t, c)
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 1)

	silent, half, waiting := dial(t, b.Addr()), dial(t, b.Addr()), dial(t, b.Addr())
	half.Write(apiVersions()[:10])
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version, fetch.MaxWaitMillis, fetch.MinBytes = 4, 4*int32(c.Idle/time.Millisecond), 1
	fetch.MaxBytes = 1 << 20
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 1 << 20
	clicks := kmsg.NewFetchRequestTopic()
	clicks.Topic, clicks.Partitions = topic, append(clicks.Partitions, part)
	fetch.Topics = append(fetch.Topics, clicks)
	waiting.Write(kmsg.NewRequestFormatter().AppendRequest(nil, fetch, 7))

	for name, conn := range map[string]net.Conn{"silent": silent, "half a request": half} {
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s\n got %v\nwant %v", name, err, io.EOF)
		}
	}
	if _, err := answerTo(waiting); err != nil {
		t.Errorf("a fetch that waits for %d ms: %v", fetch.MaxWaitMillis, err)
	}
}

// TestHalfSentRequestsCostLittle: memory is taken for what has come, not for what a
// size promises.
func TestHalfSentRequestsCostLittle(t *testing.T) {
	g := &guardConn{Conn: memoryConn{Reader: &oneKilobyte{}}, door: guard(nil, &lobby{}, 0, testConfig(t).Log), closed: make(chan struct{})}
	if err := g.next(); err == nil {
		t.Fatal("half a request was handed on")
	}
	if got := cap(g.frame); got > 4<<10 {
		t.Errorf("memory for 1 kB of a request of 100 MiB\n got %d bytes\nwant at most %d", got, 4<<10)
	}
}

// oneKilobyte begins a Produce request of 100 MiB.
type oneKilobyte struct{ sent bool }

func (o *oneKilobyte) Read(p []byte) (int, error) {
	if o.sent {
		return 0, io.EOF
	}
	if len(p) > headSize {
		o.sent = true
		return min(len(p), 1<<10), nil
	}
	return copy(p, request(maxFrame, int16(kmsg.Produce), 9)), nil
}

// TestDiskFull: on a disk that is all but full a producer gets KAFKA_STORAGE_ERROR,
// and once there is room its records are stored, each once.
func TestDiskFull(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	var free atomic.Int64
	b.door.room.free = func(string) (int64, error) { return free.Load(), nil }
	quick := kgo.MetadataMinAge(10 * time.Millisecond) // between two tries
	cl := client(t, b.Addr(), quick)
	createTopic(t, cl, topic, 1)

	free.Store(minRoom)
	refused := client(t, b.Addr(), quick, kgo.RecordRetries(1), kgo.UnknownTopicRetries(1), kgo.DisableIdempotentWrite())
	err := refused.ProduceSync(t.Context(), &kgo.Record{Value: []byte("refused")}).FirstErr()
	if !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("produce on a full disk\n got %v\nwant %v", err, kerr.KafkaStorageError)
	}
	done := make(chan error, 1)
	cl.Produce(t.Context(), &kgo.Record{Value: []byte("stored")}, func(_ *kgo.Record, err error) { done <- err })
	free.Store(1 << 40)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if seen := consume(t, client(t, b.Addr(), kgo.ConsumeTopics(topic)), 1); seen["stored"] != 1 || seen["refused"] != 0 {
		t.Errorf("records\n got %v\nwant stored once, and none that was refused", seen)
	}
}

// TestFilesArePrivate: what other users could read of an earlier version's folder is
// closed to them, and so is what comes new in a process with the command's umask.
func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	os.MkdirAll(filepath.Join(dir, "partitions", "old-0"), 0o755)
	os.WriteFile(filepath.Join(dir, "partitions", "old-0", "0.dat"), nil, 0o644)
	defer syscall.Umask(syscall.Umask(0o077))
	b := startTest(t, Config{Dir: dir, Listen: "127.0.0.1:0"})
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 1)
	produce(t, cl, 0, 10)
	b.Close()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s\n got %s\nwant nothing for others", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

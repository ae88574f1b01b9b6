package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"clickstream/internal/event"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const testTopic, testGroup = "events", "readers"

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// startBroker starts a broker with testTopic in three partitions.
func startBroker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, testTopic)}, opts...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func addresses(c *kfake.Cluster) string { return strings.Join(c.ListenAddrs(), ",") }

// freePort returns a port of the loopback that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// deadline returns a context that ends when the test has waited long enough.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("still waiting after %s: %s", patience, what)
		}
	}
}

// newInput makes an input from YAML, on top of fields that suit every test.
func newInput(t testing.TB, brokers, yaml string) *input {
	t.Helper()
	base := fmt.Sprintf("brokers: [%q]\ntopic: %s\ngroup: %s\n", brokers, testTopic, testGroup)
	for _, def := range []string{"commit_interval: 20ms", "fetch_max_wait: 10ms", "session_timeout: 6s", "heartbeat_interval: 100ms"} {
		if !strings.Contains(yaml, strings.SplitN(def, ":", 2)[0]+":") {
			base += def + "\n"
		}
	}
	pc, err := inputSpec().ParseYAML(base+yaml, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := openInput(pc, service.MockResources())
	if err != nil {
		t.Fatal(err)
	}
	return in.(*input)
}

// startInput makes an input, connects it, and closes it with the test.
func startInput(t testing.TB, brokers, yaml string) *input {
	t.Helper()
	in := newInput(t, brokers, yaml)
	if err := in.Connect(deadline(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(context.Background()) })
	return in
}

// newOutput makes an output from YAML, connects it, and closes it with the test.
func startOutput(t testing.TB, brokers, yaml string) *output {
	t.Helper()
	o := newOutput(t, brokers, yaml)
	if err := o.Connect(deadline(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o
}

func newOutput(t testing.TB, brokers, yaml string) *output {
	t.Helper()
	if !strings.Contains(yaml, "topic:") {
		yaml += "\ntopic: " + testTopic
	}
	pc, err := outputSpec().ParseYAML(fmt.Sprintf("brokers: [%q]\n%s", brokers, yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	out, _, _, err := openOutput(pc, service.MockResources())
	if err != nil {
		t.Fatal(err)
	}
	return out.(*output)
}

// got is one batch that an input delivered.
type got struct {
	messages service.MessageBatch
	ack      service.AckFunc
}

func read(t testing.TB, in *input) got {
	t.Helper()
	messages, ack, err := in.ReadBatch(deadline(t))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if len(messages) == 0 {
		t.Fatal("read: empty batch")
	}
	return got{messages, ack}
}

func (g got) answer(t testing.TB, err error) {
	t.Helper()
	if err := g.ack(context.Background(), err); err != nil {
		t.Fatalf("answer: %v", err)
	}
}

// coordinates returns "partition/offset" of each message.
func (g got) coordinates() []string {
	var out []string
	for _, m := range g.messages {
		c := event.CoordinateOf(m)
		out = append(out, fmt.Sprintf("%d/%d", c.Partition, c.Offset))
	}
	return out
}

func (g got) partition() int32 { return event.CoordinateOf(g.messages[0]).Partition }

// client is a plain client of the test's own.
func newClient(t testing.TB, brokers string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.DefaultProduceTopic(testTopic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.DisableClientMetrics(), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// fill produces n records to each of the partitions; values are "partition/i".
func fill(t testing.TB, brokers string, n int, partitions ...int32) {
	t.Helper()
	cl := newClient(t, brokers)
	for _, p := range partitions {
		var records []*kgo.Record
		for i := range n {
			records = append(records, &kgo.Record{Partition: p, Key: []byte("key" + strconv.Itoa(i%7)), Value: fmt.Appendf(nil, "%d/%d", p, i)})
		}
		if err := cl.ProduceSync(deadline(t), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readTopic returns every record of topic, by partition.
func readTopic(t testing.TB, brokers, topic string, want int) map[int32][]*kgo.Record {
	t.Helper()
	cl := newClient(t, brokers, kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	out := map[int32][]*kgo.Record{}
	for n := 0; n < want; {
		fetches := cl.PollFetches(deadline(t))
		if err := fetches.Err0(); err != nil {
			t.Fatalf("read back: %v after %d of %d records", err, n, want)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			out[r.Partition] = append(out[r.Partition], r)
			n++
		})
	}
	return out
}

// committed returns the group's offset of each partition; -1 for none.
func committed(t testing.TB, brokers string) []int64 {
	t.Helper()
	offsets, err := kadm.NewClient(newClient(t, brokers)).FetchOffsets(deadline(t), testGroup)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatal(err)
	}
	out := []int64{-1, -1, -1}
	for p := range out {
		if o, ok := offsets.Lookup(testTopic, int32(p)); ok {
			out[p] = o.At
		}
	}
	return out
}

func awaitCommitted(t testing.TB, brokers string, want ...int64) {
	t.Helper()
	var last []int64
	eventually(t, fmt.Sprintf("commit of %v", want), func() bool {
		last = committed(t, brokers)
		return slices.Equal(last, want)
	})
}

// fillBytes produces records of value to partition 0 until they hold total bytes.
func fillBytes(t testing.TB, cl *kgo.Client, value []byte, total int) {
	t.Helper()
	for n := 0; n < total; n += len(value) {
		cl.Produce(deadline(t), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

func stream(g got) uint64 { return event.CoordinateOf(g.messages[0]).Stream }

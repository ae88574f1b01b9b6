package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "clicks"

// testConfig is a broker on a free port with one topic of three partitions.
func testConfig(t *testing.T) Config {
	return Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}
}

func startTest(t *testing.T, c Config) *Broker {
	t.Helper()
	b, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t *testing.T, cl *kgo.Client, name string, partitions int32) {
	t.Helper()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
}

// produce sends records numbered from to to-1 and waits for their acks.
func produce(t *testing.T, cl *kgo.Client, from, to int) {
	t.Helper()
	records := make([]*kgo.Record, 0, to-from)
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Key: []byte(strconv.Itoa(i)), Value: []byte(strconv.Itoa(i))})
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume reads until it has seen n records or the deadline of a minute, and
// returns how often it saw each value.
func consume(t *testing.T, cl *kgo.Client, n int) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := map[string]int{}
	for len(seen) < n {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("records read\n got %d\nwant %d", len(seen), n)
		}
		fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++ })
	}
	return seen
}

// eventually polls until ok says so or the deadline of 20 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	pid := fmt.Sprintf("process %d", os.Getpid())
	for name, tc := range map[string]struct {
		config Config
		want   []string
	}{
		"port taken":   {Config{Dir: t.TempDir(), Listen: b.Addr()}, []string{b.Addr() + " is in use by ", "--listen"}},
		"folder taken": {c, []string{c.Dir, "in use by " + pid}},
		"all networks": {Config{Dir: t.TempDir(), Listen: "0.0.0.0:0"}, []string{"want a loopback address"}},
		"no host":      {Config{Dir: t.TempDir(), Listen: ":0"}, []string{"want a loopback address"}},
		"no port":      {Config{Dir: t.TempDir(), Listen: "127.0.0.1"}, []string{"want host:port"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Start(tc.config)
			if err == nil {
				b.Close()
				t.Fatal("started")
			}
			for _, want := range tc.want {
				if got := err.Error(); !strings.Contains(got, want) {
					t.Errorf("Start\n got %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestUnknownTopicIsNotCreated(t *testing.T) {
	b := startTest(t, testConfig(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	cl := client(t, b.Addr(), kgo.AllowAutoTopicCreation())
	if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("x")}).FirstErr(); err == nil {
		t.Error("a record for a topic that nobody made was taken")
	}
	c := testConfig(t)
	c.AutoCreate = true
	cl = client(t, startTest(t, c).Addr(), kgo.AllowAutoTopicCreation())
	produce(t, cl, 0, 1)
}

// TestRestart stops and starts a broker on the same port while its clients live:
// records, offsets, topic id and cluster id stay, and the clients go on.
func TestRestart(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 3)
	group := client(t, b.Addr(), kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(9*time.Second), kgo.HeartbeatInterval(time.Second))
	produce(t, cl, 0, 100)
	consume(t, group, 100)
	if err := group.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := identity(t, cl)

	c.Listen = b.Addr()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	startTest(t, c)
	if got, want := identity(t, cl), before; got != want {
		t.Errorf("cluster and topic id after a restart\n got %s\nwant %s", got, want)
	}
	produce(t, cl, 100, 200)
	for value, times := range consume(t, group, 100) {
		if n, _ := strconv.Atoi(value); n < 100 || times != 1 {
			t.Errorf("after the restart the group read record %s %d times\nwant records 100 to 199, once", value, times)
		}
	}
}

func identity(t *testing.T, cl *kgo.Client) string {
	t.Helper()
	m, err := kadm.NewClient(cl).Metadata(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return m.Cluster + " " + m.Topics[topic].ID.String()
}

func TestCloseTwice(t *testing.T) {
	b := startTest(t, testConfig(t))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if conn, err := net.Dial("tcp", b.Addr()); err == nil {
		conn.Close()
		t.Error("a closed broker still answers")
	}
}

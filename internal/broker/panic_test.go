package broker

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// twinTopics is a Produce request of version 13 to partition 3 of two topics that do
// not exist: 89 bytes at which kfake panics.
func twinTopics(t testing.TB) []byte {
	t.Helper()
	frame, err := hex.DecodeString("000000550000000d00000001ffff000278000100003a9803010000000000000000000000000000000300" +
		"0000000278000000000102780000020000000000000000000000000000000300000000027800000000010278000000")
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// dial connects to the broker and gives up after a while.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// answerTo reads an answer without its size and number.
func answerTo(conn net.Conn) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	_, err := io.ReadFull(conn, body)
	return body, err
}

// TestTopicsThatWereReset: a producer whose topics are gone learns it of each.
func TestTopicsThatWereReset(t *testing.T) {
	b := startTest(t, testConfig(t))
	conn := dial(t, b.Addr())
	conn.Write(twinTopics(t))
	body, err := answerTo(conn)
	if err != nil {
		t.Fatal(err)
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = 13
	if err := resp.ReadFrom(body[1:]); err != nil { // behind the header's tags
		t.Fatal(err)
	}
	if len(resp.Topics) != 2 {
		t.Fatalf("topics answered\n got %d\nwant 2", len(resp.Topics))
	}
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); !errors.Is(err, kerr.UnknownTopicID) {
				t.Errorf("topic %x\n got %v\nwant %v", topic.TopicID, err, kerr.UnknownTopicID)
			}
		}
	}
	if n := b.loop.panics.Load(); n != 0 {
		t.Errorf("panics\n got %d\nwant none", n)
	}
}

// TestPanicEndsItsConnection lets kfake's loop panic at requests of one kind: each
// ends its own connection, others go on, groups too, and nothing is lost.
func TestPanicEndsItsConnection(t *testing.T) {
	c := testConfig(t)
	b := startTest(t, c)
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 3)
	produce(t, cl, 0, 10)
	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListTransactions}, Count: -1, When: func(kmsg.Request) bool { panic("for the test") }})

	bystander := dial(t, b.Addr())
	for i := range int64(3) {
		conn := dial(t, b.Addr())
		conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrListTransactionsRequest(), 7))
		if _, err := answerTo(conn); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("connection of the request\n got %v\nwant its end", err)
		}
		if n := b.loop.panics.Load(); n != i+1 {
			t.Errorf("panics\n got %d\nwant %d", n, i+1)
		}
		bystander.Write(apiVersions())
		if _, err := answerTo(bystander); err != nil {
			t.Fatalf("another connection after the panic: %v", err)
		}
		produce(t, cl, 10+int(i), 11+int(i))
	}
	consume(t, client(t, b.Addr(), kgoGroup("g")...), 13)
	b.Close()
	c.Listen = b.Addr()
	startTest(t, c)
	consume(t, client(t, b.Addr(), kgoTopic()...), 13)
}

func kgoTopic() []kgo.Opt { return []kgo.Opt{kgo.ConsumeTopics(topic)} }

func kgoGroup(name string) []kgo.Opt { return append(kgoTopic(), kgo.ConsumerGroup(name)) }

package broker

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"testing"
	"time"

	"clickstream/internal/corpus"

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

// invent sets every field of v to something that a client might send, and to much that
// none would.
func invent(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).CanSet() && name != "Version" && name != "UnknownTags" {
				invent(r, v.Field(i), depth)
			}
		}
	case reflect.Slice:
		n := r.IntN(3)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(someBytes(r))
			return
		}
		s := reflect.MakeSlice(v.Type(), n, n)
		for i := range n {
			invent(r, s.Index(i), depth+1)
		}
		v.Set(s)
	case reflect.Array:
		if r.IntN(2) == 0 {
			v.Index(v.Len() - 1).SetUint(uint64(r.IntN(3)))
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			invent(r, v.Elem(), depth)
		}
	case reflect.String:
		v.SetString([]string{"", "g", "m", topic, topic, "x", "range", "..", "\xff\x00", "consumer"}[r.IntN(10)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(r.NormFloat64())
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{0, 0, 1, 1, 2, 3, -1, -2, 7, 100, 1 << 14, -1 << 63, 1<<63 - 1, 1<<31 - 1, -1 << 31, r.Int64()}[r.IntN(16)])
	}
}

// someBytes are records, a member's metadata, or noise.
func someBytes(r *rand.Rand) []byte {
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		meta := kmsg.NewConsumerMemberMetadata()
		meta.Topics = []string{topic}
		return meta.AppendTo(nil)
	case 2:
		b := batch(0, r.IntN(3), "value")
		if r.IntN(2) == 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		return b
	default:
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
}

// requestOf is a request of any key and version that Kafka knows, drawn from seed.
func requestOf(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var req kmsg.Request
	for req == nil {
		req = kmsg.RequestForKey(int16(r.IntN(93)))
	}
	req.SetVersion(int16(r.IntN(int(req.MaxVersion()) + 1)))
	invent(r, reflect.ValueOf(req).Elem(), 0)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("c")).AppendRequest(nil, req, 7)
	for r.IntN(4) == 0 { // now and then something that kmsg would not write
		frame[4+r.IntN(len(frame)-4)] = byte(r.Uint32())
	}
	return frame
}

// send sends frames over a connection of their own, and waits for the first answer,
// the end of the connection, or not long: what waits for others has been read then.
func send(t testing.TB, addr string, frames []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("the broker is gone: %v", err)
	}
	defer conn.Close()
	conn.Write(frames)
	conn.SetDeadline(time.Now().Add(20 * time.Millisecond))
	answerTo(conn)
}

// TestFramesOfEveryVersion sends requests of every key and version to a live broker
// that has a topic, a group and records: it panics at none, and serves on.
func TestFramesOfEveryVersion(t *testing.T) {
	const requests = 3000
	b := startTest(t, testConfig(t))
	createTopic(t, client(t, b.Addr()), topic, 3)
	seed := rand.Uint64()
	for i := range uint64(requests) {
		send(t, b.Addr(), requestOf(seed+i))
		if b.loop.panics.Swap(0) != 0 {
			t.Errorf("SEED=%d: kfake panicked at %x", seed+i, requestOf(seed+i))
		}
	}
	cl := client(t, b.Addr())
	createTopic(t, cl, "after", 1)
}

// FuzzRequests sends frames through the guard to a live broker, which panics at none.
func FuzzRequests(f *testing.F) {
	corpus.Add(f)
	for seed := range 500 {
		f.Add(requestOf(uint64(seed)))
	}
	f.Add(twinTopics(f))
	b, err := Start(Config{Dir: f.TempDir(), Listen: "127.0.0.1:0", NoFlush: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	defer b.Close()
	if err := b.cluster.CreateTopic(topic, 3, nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, frames []byte) {
		send(t, b.Addr(), frames)
		if b.loop.panics.Swap(0) != 0 {
			t.Errorf("kfake panicked at %x", frames)
		}
	})
}

func kgoTopic() []kgo.Opt { return []kgo.Opt{kgo.ConsumeTopics(topic)} }

func kgoGroup(name string) []kgo.Opt { return append(kgoTopic(), kgo.ConsumerGroup(name)) }

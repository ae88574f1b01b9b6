package broker

import (
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"testing"
	"time"

	"clickstream/internal/corpus"

	"github.com/twmb/franz-go/pkg/kmsg"
)

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

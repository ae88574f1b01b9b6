package broker

import (
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestCountsThatAreNotThere: a request that says it has 2^32-1 tags ends its connection
// before anybody counts to that.
func TestCountsThatAreNotThere(t *testing.T) {
	b := startTest(t, testConfig(t))
	createTopic(t, client(t, b.Addr()), topic, 1)
	// Metadata 12 of client x: topics null, two false, and the tags.
	frame, err := hex.DecodeString("000000140003000c00000007000178000001000000ffffffff0f")
	if err != nil {
		t.Fatal(err)
	}
	frame[3] = byte(len(frame) - 4)
	began := time.Now()
	for range 100 {
		send(t, b.Addr(), frame)
	}
	createTopic(t, client(t, b.Addr()), "after", 1)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("a hundred of them took %s", took)
	}
}

// TestHonestBodies: requests of every key and version pass, whatever their texts and
// numbers look like; with a number of five bytes for their tags none does.
func TestHonestBodies(t *testing.T) {
	seed := rand.Uint64()
	tried, met := 0, 0
	for i := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, i))
		req := kmsg.RequestForKey(int16(r.IntN(93)))
		if req == nil || req.Key() == int16(kmsg.Produce) {
			continue
		}
		req.SetVersion(int16(r.IntN(int(req.MaxVersion()) + 1)))
		if !req.IsFlexible() {
			continue
		}
		invent(r, reflect.ValueOf(req).Elem(), 0)
		body := req.AppendTo(nil)
		tried++
		if disarmed(body, replaced[0]) != nil {
			met++
		}
		if err := sound(body, req.Key(), req.GetVersion()); err != nil {
			t.Fatalf("SEED=%d, %d: %s version %d, body %x: %v", seed, i, kmsg.NameForKey(req.Key()), req.GetVersion(), body, err)
		}
		if len(body) > 0 && body[len(body)-1] == 0 {
			body = append(body[:len(body)-1], 0xff, 0xff, 0xff, 0xff, 0x0f)
			if err := sound(body, req.Key(), req.GetVersion()); err == nil {
				t.Fatalf("SEED=%d, %d: %s version %d passes with 2^32-1 tags, body %x", seed, i, kmsg.NameForKey(req.Key()), req.GetVersion(), body)
			}
		}
	}
	if met < 100 {
		t.Errorf("of %d bodies %d had five suspicious bytes: this test would prove nothing", tried, met)
	}
}

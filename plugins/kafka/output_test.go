package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// visits makes n messages of users who take turns; each says its number.
func visits(n, users int) service.MessageBatch {
	var out service.MessageBatch
	for i := range n {
		out = append(out, service.NewMessage(fmt.Appendf(nil, `{"n":%d,"user_id":"user_%04d"}`, i, i%users)))
	}
	return out
}

func TestWritesByKeyInOrder(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			addr := addresses(startBroker(t))
			out := startOutput(t, addr, "key_field: user_id\ncompression: "+codec)
			batch := visits(3000, 50)
			for from := 0; from < 3000; from += 500 {
				if err := out.WriteBatch(deadline(t), batch[from:from+500]); err != nil {
					t.Fatal(err)
				}
			}
			records := readTopic(t, addr, testTopic, 3000)
			if len(records) != 3 {
				t.Errorf("partitions used\n got %d\nwant 3", len(records))
			}
			home, last := map[string]int32{}, map[string]int{}
			for p, rs := range records {
				for _, r := range rs {
					checkVisit(t, p, r, home, last)
				}
			}
			if len(home) != 50 {
				t.Errorf("keys\n got %d\nwant 50", len(home))
			}
		})
	}
}

// checkVisit wants one partition per key, and rising numbers within a key.
func checkVisit(t *testing.T, p int32, r *kgo.Record, home map[string]int32, last map[string]int) {
	t.Helper()
	var n int
	var user string
	if _, err := fmt.Sscanf(strings.NewReplacer(`{"n":`, "", `,"user_id":"`, " ", `"}`, "").Replace(string(r.Value)), "%d %s", &n, &user); err != nil {
		t.Fatalf("value %.100s: %v", r.Value, err)
	}
	if string(r.Key) != user {
		t.Fatalf("key\n got %s\nwant %s", r.Key, user)
	}
	if was, seen := home[user]; seen && was != p {
		t.Fatalf("%s is in partitions %d and %d", user, was, p)
	}
	if was, seen := last[user]; seen && n <= was {
		t.Fatalf("%s: %d came after %d", user, n, was)
	}
	home[user], last[user] = p, n
}

// Kafka's own clients put these keys into these of three partitions: murmur2 of the
// key, sign bit cleared, modulo 3 (org.apache.kafka.common.utils.Utils).
func TestPartitionsLikeKafka(t *testing.T) {
	addr := addresses(startBroker(t))
	out := startOutput(t, addr, `key: ${! content() }`)
	keys := []string{"21", "foobar", "a-little-bit-long-string", "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"}
	hashes := []int32{-973932308, -790332482, -985981536, -58897971}
	var batch service.MessageBatch
	for _, key := range keys {
		batch = append(batch, service.NewMessage([]byte(key)))
	}
	if err := out.WriteBatch(deadline(t), batch); err != nil {
		t.Fatal(err)
	}
	got := map[string]int32{}
	for p, rs := range readTopic(t, addr, testTopic, len(keys)) {
		for _, r := range rs {
			got[string(r.Key)] = p
		}
	}
	for i, key := range keys {
		if want := (hashes[i] & 0x7fffffff) % 3; got[key] != want {
			t.Errorf("partition of %q\n got %d\nwant %d", key, got[key], want)
		}
	}
}

func TestTooLargeFailsAlone(t *testing.T) {
	for name, known := range map[string]bool{"limit known": true, "limit unknown": false} {
		t.Run(name, func(t *testing.T) {
			broker := startBroker(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "10000"}))
			if err := broker.CreateTopic("small", 1, map[string]string{"max.message.bytes": "10000"}); err != nil {
				t.Fatal(err)
			}
			if !known {
				broker.ControlKey(int16(kmsg.DescribeConfigs), func(kmsg.Request) (kmsg.Response, error, bool) {
					return nil, errors.New("no"), true
				})
			}
			out := startOutput(t, addresses(broker), "topic: small\ncompression: none\nkey_field: user_id")
			batch := visits(20, 1)
			batch[7] = service.NewMessage([]byte(`{"user_id":"big","pad":"` + strings.Repeat("x", 20_000) + `"}`))
			err := out.WriteBatch(deadline(t), batch)
			var failed *service.BatchError
			if !errors.As(err, &failed) || failed.IndexedErrors() != 1 {
				t.Fatalf("got %v, want one failed message", err)
			}
			//nolint:staticcheck // the batch is the one that was written
			failed.WalkMessages(func(i int, _ *service.Message, err error) bool {
				if (err != nil) != (i == 7) {
					t.Errorf("message %d: %v", i, err)
				}
				if err != nil && event.ParseRejection(err.Error()).Reason != event.ReasonRange {
					t.Errorf("reason of %q", err)
				}
				return true
			})
			if n := len(readTopic(t, addresses(broker), "small", 19)[0]); n != 19 {
				t.Errorf("neighbours\n got %d\nwant 19", n)
			}
		})
	}
}

func TestDeadLetters(t *testing.T) {
	broker := startBroker(t)
	if err := broker.CreateTopic("letters", 1, map[string]string{"max.message.bytes": "20000"}); err != nil {
		t.Fatal(err)
	}
	addr := addresses(broker)
	fill(t, addr, 3, 2)
	in := startInput(t, addr, "")
	g := read(t, in)
	refusal := &event.Rejection{Reason: event.ReasonTime, Field: "timestamp", Message: "want RFC 3339, got 9 characters"}
	for _, m := range g.messages {
		m.MetaSetMut("fallback_error", refusal.Error())
	}
	g.messages[2].SetBytes([]byte(strings.Repeat("y", 50_000)))
	out := startOutput(t, addr, "topic: letters\ndead_letters: true\ncompression: none")
	if err := out.WriteBatch(deadline(t), g.messages); err != nil {
		t.Fatal(err)
	}
	letters := readTopic(t, addr, "letters", 3)[0]
	r := letters[1]
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	at := event.CoordinateOf(g.messages[1])
	for key, want := range map[string]string{
		"reason": "bad_time", "field": "timestamp", "message": refusal.Message, "topic": testTopic,
		"partition": "2", "offset": "1", "timestamp": at.Time.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"),
	} {
		if headers[key] != want {
			t.Errorf("header %s\n got %q\nwant %q", key, headers[key], want)
		}
	}
	if _, ok := headers["version"]; !ok || string(r.Value) != "2/1" || string(r.Key) != "key1" {
		t.Errorf("letter: %s => %s, headers %v", r.Key, r.Value, headers)
	}
	cut := letters[2]
	if last := cut.Headers[len(cut.Headers)-1]; last.Key != "truncated" || string(last.Value) != "50000" || len(cut.Value) < 10_000 {
		t.Errorf("large letter: %d bytes, last header %s=%s", len(cut.Value), last.Key, last.Value)
	}
}

func TestTopicCreatedAnew(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	out := startOutput(t, addr, "key_field: user_id")
	if err := out.WriteBatch(deadline(t), visits(10, 3)); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(newClient(t, addr))
	if _, err := admin.DeleteTopic(deadline(t), testTopic); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(deadline(t), 3, 1, nil, testTopic); err != nil {
		t.Fatal(err)
	}
	if err := out.WriteBatch(deadline(t), visits(30, 3)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, rs := range readTopic(t, addr, testTopic, 30) {
		n += len(rs)
	}
	if n != 30 {
		t.Errorf("records in the new topic\n got %d\nwant 30", n)
	}
}

func TestRetryableErrorsAreRetriedInOrder(t *testing.T) {
	large := visits(300, 5)
	for _, m := range large {
		text, _ := m.AsBytes()
		m.SetBytes(append(text, strings.Repeat(" ", 50_000)...))
	}
	t.Run("one request", func(t *testing.T) { writeThroughRefusals(t, visits(300, 5), "") })
	t.Run("many requests", func(t *testing.T) { writeThroughRefusals(t, large, "compression: none") })
	t.Run("many buffers", func(t *testing.T) { writeThroughRefusals(t, large, "max_buffered_bytes: 1048576") })
}

// writeThroughRefusals writes a batch to a broker that refuses three requests with an
// error that franz-go does not retry itself.
func writeThroughRefusals(t *testing.T, batch service.MessageBatch, extra string) {
	broker := startBroker(t)
	addr := addresses(broker)
	out := startOutput(t, addr, "key_field: user_id\n"+extra)
	left := 3
	broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if left == 0 {
			return nil, nil, false
		}
		left--
		broker.KeepControl()
		produce := req.(*kmsg.ProduceRequest)
		resp := produce.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.PolicyViolation.Code
				answer.Partitions = append(answer.Partitions, part)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
	if err := out.WriteBatch(deadline(t), batch); err != nil {
		t.Fatal(err)
	}
	home, last := map[string]int32{}, map[string]int{}
	for p, rs := range readTopic(t, addr, testTopic, 300) {
		for _, r := range rs {
			checkVisit(t, p, r, home, last)
		}
	}
}

func TestHardStopGivesUp(t *testing.T) {
	broker := startBroker(t)
	out := startOutput(t, addresses(broker), "request_timeout: 500ms\ndial_timeout: 500ms")
	broker.Close()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- out.WriteBatch(ctx, visits(5, 1)) }()
	cancel()
	select {
	case err := <-result:
		if !errors.Is(err, service.ErrEndOfInput) {
			t.Errorf("got %v, want the end of input: neither acknowledged nor refused", err)
		}
	case <-deadline(t).Done():
		t.Fatal("hangs after a hard stop")
	}
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestReadsInOrderAndCommits(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 1000, 0, 1, 2)
	in := startInput(t, addr, "max_batch_records: 100")
	next := map[int32]int64{}
	for n := 0; n < 3000; {
		g := read(t, in)
		p := g.partition()
		for _, m := range g.messages {
			c := event.CoordinateOf(m)
			value, _ := m.AsBytes()
			if want := fmt.Sprintf("%d/%d", p, next[p]); string(value) != want || c.Partition != p || c.Offset != next[p] {
				t.Fatalf("got %s at %d/%d, want %s", value, c.Partition, c.Offset, want)
			}
			if c.Topic != testTopic || c.Stream == 0 || c.Time.IsZero() || string(c.Key) != fmt.Sprintf("key%d", next[p]%7) {
				t.Fatalf("coordinate incomplete: %+v of %+v", c, c.Source)
			}
			next[p]++
		}
		n += len(g.messages)
		if len(g.messages) > 100 {
			t.Errorf("got a batch of %d, want 100 at most", len(g.messages))
		}
		g.answer(t, nil)
	}
	awaitCommitted(t, addr, 1000, 1000, 1000)
	if got := in.current().inFlight.Load(); got != 0 {
		t.Errorf("in flight after all answers\n got %d bytes\nwant 0", got)
	}
}

func TestCommitsOnlyWhatIsDoneInOrder(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 30, 0)
	in := startInput(t, addr, "max_batch_records: 10")
	first, second, third := read(t, in), read(t, in), read(t, in)
	third.answer(t, nil)
	second.answer(t, nil)
	if err := in.current().commit(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got := committed(t, addr)[0]; got > 0 {
		t.Errorf("committed %d while the first batch has no answer", got)
	}
	first.answer(t, nil)
	awaitCommitted(t, addr, 30, -1, -1)
}

func TestRestartSkipsNothing(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 50, 0)
	in := startInput(t, addr, "max_batch_records: 10")
	read(t, in).answer(t, nil)
	lost := read(t, in) // never answered
	read(t, in).answer(t, nil)
	_ = in.Close(context.Background())
	lost.answer(t, nil) // too late

	again := startInput(t, addr, "max_batch_records: 100")
	g := read(t, again)
	if got := g.coordinates(); got[0] != "0/10" || len(got) != 40 {
		t.Errorf("after the restart\n got %d records from %s\nwant 40 from 0/10", len(got), got[0])
	}
	g.answer(t, nil)
	awaitCommitted(t, addr, 50, -1, -1)
}

func TestRefusedBatchComesAgainWhileOthersGoOn(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 20, 0)
	in := startInput(t, addr, "max_batch_records: 10")
	first := read(t, in)
	first.answer(t, errors.New("disk full"))
	first.answer(t, nil) // a second answer to one delivery is no answer
	second := read(t, in)
	second.answer(t, nil)
	if got := second.coordinates()[0]; got != "0/10" {
		t.Errorf("after the refusal\n got %s\nwant 0/10: others go on", got)
	}
	again := read(t, in)
	if !slices.Equal(again.coordinates(), first.coordinates()) {
		t.Errorf("again\n got %v\nwant %v", again.coordinates(), first.coordinates())
	}
	if got := committed(t, addr)[0]; got > 0 {
		t.Errorf("committed %d past a refused batch", got)
	}
	again.answer(t, nil)
	awaitCommitted(t, addr, 20, -1, -1)
}

func TestOnlyFailedMessagesComeAgain(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "")
	g := read(t, in)
	bad := errors.New("bad row")
	// Benthos may hand the output copies, in another order, with other contexts around ours.
	copies := service.MessageBatch{g.messages[7].Copy(), g.messages[2].WithContext(context.WithValue(g.messages[2].Context(), t, 1)), g.messages[0].Copy()}
	g.answer(t, service.NewBatchError(copies, bad).Failed(0, bad).Failed(1, bad))
	again := read(t, in)
	if got, want := again.coordinates(), []string{"0/2", "0/7"}; !slices.Equal(got, want) {
		t.Errorf("again\n got %v\nwant %v", got, want)
	}
	again.answer(t, nil)
	awaitCommitted(t, addr, 10, -1, -1)
}

func TestMetadata(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 1, 2)
	in := startInput(t, addr, "metadata: [kafka_topic, kafka_key, kafka_partition, kafka_offset, kafka_timestamp_unix_ms, headers]")
	g := read(t, in)
	for key, want := range map[string]string{"kafka_topic": testTopic, "kafka_key": "key0", "kafka_partition": "2", "kafka_offset": "0"} {
		if got, _ := g.messages[0].MetaGet(key); got != want {
			t.Errorf("%s\n got %q\nwant %q", key, got, want)
		}
	}
	none := startInput(t, addr, "group: others")
	_ = read(t, none).messages[0].MetaWalk(func(key, value string) error {
		if key != event.RecordKey {
			t.Errorf("metadata nobody asked for: %s=%s", key, value)
		}
		return nil
	})
}

func TestStopsReadingAtTheLimit(t *testing.T) {
	addr := addresses(startBroker(t))
	cl := newClient(t, addr)
	value := make([]byte, 10_000)
	const limit, fetch, total = 2 << 20, 1 << 20, 30 << 20
	fillBytes(t, cl, value, total)
	in := startInput(t, addr, fmt.Sprintf("max_in_flight_bytes: %d\nfetch_max_bytes: %d\nfetch_max_partition_bytes: %d\nmax_batch_records: 10", limit, fetch, fetch))
	var held []got
	eventually(t, "reading to stop", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		messages, ack, err := in.ReadBatch(ctx)
		if err == nil {
			held = append(held, got{messages, ack})
		}
		return err != nil
	})
	if got, most := in.current().inFlight.Load(), int64(limit+2*fetch); got < limit || got > most {
		t.Errorf("in flight with a stuck output\n got %d bytes\nwant %d to %d", got, limit, most)
	}
	seen := 0
	for seen < total/len(value) {
		if len(held) == 0 {
			held = append(held, read(t, in))
		}
		seen += len(held[0].messages)
		held[0].answer(t, nil)
		held = held[1:]
	}
}

func TestPartitionLimitsAndLag(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 100, 1)
	in := startInput(t, addr, "max_batch_records: 40") // 100 in batches of 40 at most: 34, 33 and 33
	first := read(t, in)
	if got := len(first.messages); got != 34 {
		t.Errorf("first batch\n got %d messages\nwant 34", got)
	}
	first.answer(t, nil)
	s := in.current()
	s.measure(time.Now())
	p := s.open(1)
	at, _ := p.offsets.Position()
	if got := p.highWater.Load() - at.offset; got != 66 {
		t.Errorf("lag after 34 of 100\n got %d\nwant 66", got)
	}
}

// TestReadsToTheEndOfATransaction: marks are not delivered, and a log that ends in one
// is committed to its end; what was aborted is not delivered either.
func TestReadsToTheEndOfATransaction(t *testing.T) {
	addr := addresses(startBroker(t))
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("t"), kgo.DefaultProduceTopic(testTopic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for k := range 3 {
			if err := cl.ProduceSync(deadline(t), kgo.StringRecord(fmt.Sprint(i, k))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cl.EndTransaction(deadline(t), end); err != nil {
			t.Fatal(err)
		}
	}
	in := startInput(t, addr, "on_gap: continue")
	var got []string
	for len(got) < 6 {
		g := read(t, in)
		got = append(got, g.coordinates()...)
		g.answer(t, nil)
	}
	if want := []string{"0/0", "0/1", "0/2", "0/8", "0/9", "0/10"}; !slices.Equal(got, want) {
		t.Errorf("delivered\n got %v\nwant %v", got, want)
	}
	awaitCommitted(t, addr, 16, -1, -1)
}

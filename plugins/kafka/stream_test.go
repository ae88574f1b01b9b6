package kafka

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"clickstream/internal/event"
	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sink is an output that a test controls: each batch waits for a value from pass.
type sink struct {
	pass chan struct{}

	mu   sync.Mutex
	seen map[string]int
}

func (s *sink) Connect(context.Context) error { return nil }
func (s *sink) Close(context.Context) error   { return nil }

func (s *sink) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	select {
	case <-s.pass:
	case <-ctx.Done():
		return service.ErrEndOfInput
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range batch {
		c := event.CoordinateOf(m)
		s.seen[fmt.Sprintf("%d/%d", c.Partition, c.Offset)]++
	}
	return nil
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// startStream runs a whole pipeline from the topic into a sink.
func startStream(t *testing.T, addr, fields string) (*service.Stream, *sink) {
	t.Helper()
	s := &sink{pass: make(chan struct{}), seen: map[string]int{}}
	env := service.NewEnvironment()
	err := env.RegisterBatchOutput("sink", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
		return s, service.BatchPolicy{}, 64, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	builder := env.NewStreamBuilder()
	if err := builder.SetYAML(fmt.Sprintf(`
input:
  kafka: {brokers: [%q], topic: %s, group: %s, max_batch_records: 10, %s}
output:
  sink: {}
logger: {level: OFF}
`, addr, testTopic, testGroup, fields)); err != nil {
		t.Fatal(err)
	}
	stream, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = stream.Run(context.Background()) }()
	return stream, s
}

// The pipeline is told to stop while batches are in the output and more wait: what
// the output has is stored and committed, the rest is not, and nothing hangs.
func TestStopCommitsWhatIsStored(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 1000, 0, 1, 2)
	unacked := process.Unacked()
	stream, s := startStream(t, addr, "commit_interval: 1h")
	for range 20 {
		s.pass <- struct{}{}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stream.StopWithin(patience) }()
	for done := false; !done; {
		select {
		case s.pass <- struct{}{}:
		case err := <-stopped:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		}
	}
	sum := int64(0)
	for _, at := range committed(t, addr) {
		sum += max(0, at)
	}
	if sum != int64(s.count()) || sum < 200 || sum == 3000 {
		t.Errorf("committed\n got %d\nwant %d, what is stored, and not all 3000", sum, s.count())
	}
	if got := process.Unacked() - unacked; got != 0 {
		t.Errorf("left behind by a stop in good order\n got %d records\nwant 0", got)
	}
}

// The output hangs: the stop gives up on it, commits nothing of what it has, and
// says that something is left.
func TestHardStopTellsWhatIsLeft(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 100, 0)
	unacked := process.Unacked()
	stream, s := startStream(t, addr, "commit_interval: 10ms")
	s.pass <- struct{}{}
	if err := stream.StopWithin(time.Second); err != nil {
		t.Logf("stop: %v", err) // Benthos may or may not call this an error
	}
	eventually(t, "the input to close", func() bool { return process.Unacked() > unacked })
	if got := process.Unacked() - unacked; got > 90 || got < 10 {
		t.Errorf("left behind\n got %d records\nwant 10 to 90", got)
	}
	if got := committed(t, addr)[0]; got > 10 {
		t.Errorf("committed %d, and only 10 are stored", got)
	}
}

// The output is stuck and the topic holds far more than may be in flight: memory
// stays within the limit and what one fetch brings.
func TestMemoryIsBoundedWhenStuck(t *testing.T) {
	addr := addresses(startBroker(t, kfake.DataDir(t.TempDir())))
	fillEvents(t, addr, 150_000)
	before := heap()
	const limit = 16 << 20
	in := startInput(t, addr, fmt.Sprintf("max_in_flight_bytes: %d\nfetch_max_bytes: 2000000\nfetch_max_partition_bytes: 1000000", limit))
	var held []got
	for len(held) == 0 || in.current().inFlight.Load() < limit {
		held = append(held, read(t, in))
	}
	eventually(t, "the fetcher to be full too", func() bool { return in.current().cl.BufferedFetchRecords() > 0 })
	if got := in.current().inFlight.Load(); got > limit+2*leastPoll*messageOverhead {
		t.Errorf("in flight\n got %d bytes\nwant %d and a little", got, limit)
	}
	if used := heap() - before; used > 64<<20 {
		t.Errorf("heap with %d batches held\n got %d MiB\nwant 64 at most", len(held), used>>20)
	} else {
		t.Logf("heap %d MiB, in flight %d MiB", used>>20, in.current().inFlight.Load()>>20)
	}
	runtime.KeepAlive(held)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// fillEvents produces n events of the usual size.
func fillEvents(t testing.TB, addr string, n int) {
	t.Helper()
	cl := newClient(t, addr, kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(100_000), kgo.ProducerLinger(5*time.Millisecond))
	for i := range n {
		value := eventOf(i)
		cl.Produce(context.Background(), &kgo.Record{Partition: int32(i % 3), Value: value, Key: value[72:81]}, nil)
	}
	if err := cl.Flush(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

// eventOf is the i-th event: 190 bytes, the user's name at 72.
func eventOf(i int) []byte {
	return fmt.Appendf(nil, `{"event_id":"%08x-9c0b-4ef8-bb6d-6bb9bd380a11","event_type":"page_view","user_id":"user_%04d","product_id":"prod_%03d","price":29.99,"timestamp":"2026-01-15T14:30:00.%03dZ"}`, i*2654435761&0xffffffff, i%500, i%200, i%1000)
}

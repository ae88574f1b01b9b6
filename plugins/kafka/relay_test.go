package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"clickstream/internal/event"
	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
)

// thorough says that a test shall try more than a sample: FAULTS=full.
func thorough() bool { return os.Getenv("FAULTS") == "full" }

// seeded draws what a test leaves to chance. SEED repeats a run's.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// relay writes numbered events with an output and reads them with inputs, and keeps the
// ledger of both.
type relay struct {
	t    *testing.T
	out  *output
	next int

	mu   sync.Mutex
	seen map[string]map[string]bool // by event, the coordinates under which it was read
}

func newRelay(t *testing.T, addr, yaml string) *relay {
	t.Helper()
	return &relay{t: t, out: startOutput(t, addr, "key_field: user_id\n"+yaml), seen: map[string]map[string]bool{}}
}

// write produces n events in one batch. It returns when the brokers have them.
func (r *relay) write(n int) {
	r.t.Helper()
	if err := r.out.WriteBatch(deadline(r.t), r.batch(n)); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

func (r *relay) batch(n int) (batch service.MessageBatch) {
	for range n {
		batch = append(batch, service.NewMessage(fmt.Appendf(nil, `{"n":%d,"user_id":"user_%04d"}`, r.next, r.next%50)))
		r.next++
	}
	return batch
}

// pump reads and acknowledges as Benthos does, until ctx ends or in is closed.
func (r *relay) pump(ctx context.Context, in *input) {
	for {
		messages, ack, err := in.ReadBatch(ctx)
		if errors.Is(err, service.ErrNotConnected) && in.Connect(ctx) == nil {
			continue
		}
		if err != nil {
			return
		}
		r.mu.Lock()
		for _, m := range messages {
			value, _ := m.AsBytes()
			c := event.CoordinateOf(m)
			if r.seen[string(value)] == nil {
				r.seen[string(value)] = map[string]bool{}
			}
			r.seen[string(value)][fmt.Sprintf("%d/%d", c.Partition, c.Offset)] = true
		}
		r.mu.Unlock()
		_ = ack(ctx, nil)
	}
}

// start connects an input and pumps until the test ends.
func (r *relay) start(addr, yaml string) *input {
	r.t.Helper()
	in := startInput(r.t, addr, yaml)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.pump(ctx, in) }()
	r.t.Cleanup(func() { cancel(); <-done })
	return in
}

func (r *relay) read() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// settle waits until everything that was written is read and committed, and compares
// the ledger with the topic: each event is one record, read under its own coordinate.
func (r *relay) settle(addr string) {
	r.t.Helper()
	eventually(r.t, "every event to be read", func() bool { return r.read() == r.next })
	ends := r.ends(addr)
	total, want := 0, slices.Clone(ends)
	for p, end := range ends {
		if total += int(end); end == 0 {
			want[p] = -1 // nothing to commit
		}
	}
	awaitCommitted(r.t, addr, want...)
	if total != r.next {
		r.t.Errorf("records in the topic\n got %d\nwant %d, one for each event", total, r.next)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for value, at := range r.seen {
		if len(at) != 1 {
			r.t.Errorf("%s was read at %d coordinates, want 1", value, len(at))
		}
	}
	select {
	case err := <-process.Fatals():
		r.t.Errorf("asked the process to stop: %v", err)
	default:
	}
}

// ends is the end of each partition.
func (r *relay) ends(addr string) []int64 {
	r.t.Helper()
	listed, err := kadm.NewClient(newClient(r.t, addr)).ListEndOffsets(deadline(r.t), testTopic)
	if err != nil {
		r.t.Fatal(err)
	}
	var ends []int64
	for _, p := range slices.Sorted(maps.Keys(listed[testTopic])) {
		ends = append(ends, listed[testTopic][p].Offset)
	}
	return ends
}

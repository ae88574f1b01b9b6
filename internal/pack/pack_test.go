package pack

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// ten records of partition 3, offsets from 100 on.
type ten struct{ source event.Source }

func (r *ten) Len() int { return 10 }

func (r *ten) Record(i int, at *event.Coordinate) []byte {
	*at = event.Coordinate{Source: &r.source, Offset: int64(100 + i)}
	return fmt.Append(nil, "value ", i)
}

// text shows a batch: each message's coordinate, bytes and fallback_error.
func text(t *testing.T, batch service.MessageBatch) (s string) {
	t.Helper()
	for _, m := range batch {
		doc, err := m.AsBytes()
		if err != nil {
			t.Fatal(err)
		}
		why, _ := m.MetaGet("fallback_error")
		at := event.CoordinateOf(m)
		if at == nil {
			at = &event.Coordinate{Source: &event.Source{}}
		}
		s += fmt.Sprintf("%d/%d %s %s\n", at.Partition, at.Offset, doc, why)
	}
	return s
}

// walker has a position, as the Kafka input's records do.
type walker struct {
	ten
	at int
}

func (w *walker) Record(i int, at *event.Coordinate) []byte {
	for w.at = 0; w.at < i; w.at++ {
		runtime.Gosched()
	}
	return w.ten.Record(w.at, at)
}

// Both outputs behind a fan_out unpack what was refused, at the same time.
func TestUnpackTwiceAtOnce(t *testing.T) {
	p := New(&walker{})
	var refused []Refusal
	want := ""
	for i := range p.Len() {
		refused = append(refused, Refusal{i, &event.Rejection{Reason: event.ReasonJSON}})
		want += fmt.Sprintf("0/%d value %d malformed_json (): \n", 100+i, i)
	}
	p.Refuse(refused)
	var batches [8]service.MessageBatch
	var all sync.WaitGroup
	for i := range batches {
		all.Go(func() { batches[i] = Unpack(service.MessageBatch{p.Message()}) })
	}
	all.Wait()
	for _, batch := range batches {
		if got := text(t, batch); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

func TestUnpack(t *testing.T) {
	p := New(&ten{event.Source{Partition: 3}})
	batch := service.MessageBatch{service.NewMessage([]byte("plain")), p.Message()}
	if got := len(Unpack(batch)); got != 11 {
		t.Errorf("messages before a refusal: got %d, want 11", got)
	}
	p.Refuse([]Refusal{
		{2, &event.Rejection{Reason: event.ReasonType, Field: "price", Message: "want a number"}},
		{7, &event.Rejection{Reason: event.ReasonJSON, Message: "no JSON"}},
	})
	want := "0/0 plain \n3/102 value 2 wrong_type (price): want a number\n3/107 value 7 malformed_json (): no JSON\n"
	if got := text(t, Unpack(batch)); got != want {
		t.Errorf("messages after a refusal\n got %s\nwant %s", got, want)
	}
	plain := service.MessageBatch{service.NewMessage([]byte("plain"))}
	if got := Unpack(plain); len(got) != 1 || got[0] != plain[0] {
		t.Error("a batch without packs is not returned as it is")
	}
}

// TestFailed: an error that names messages of a pack fails the message that it travels
// as, by index, which is what Benthos and the input go by.
func TestFailed(t *testing.T) {
	batch := service.MessageBatch{New(&ten{}).Message()}
	unpacked := Unpack(batch)
	named := service.NewBatchError(unpacked, errors.New("no")).Failed(4, errors.New("no"))
	var failed *service.BatchError
	if err := Failed(batch, unpacked, named); !errors.As(err, &failed) || failed.IndexedErrors() != 1 {
		t.Errorf("error of the batch: got %v, want one failed message", err)
	}
	for _, err := range []error{nil, service.ErrEndOfInput} {
		if got := Failed(batch, unpacked, err); !errors.Is(got, err) {
			t.Errorf("Failed(%v): got %v", err, got)
		}
	}
}

// TestOfWrapped: Benthos wraps contexts; the pack is found all the same.
func TestOfWrapped(t *testing.T) {
	type other struct{}
	p := New(&ten{})
	m := p.Message().WithContext(context.WithValue(p, other{}, 1))
	if got := Of(m); got != p {
		t.Errorf("pack of a wrapped context: got %p, want %p", got, p)
	}
	if got := Of(service.NewMessage(nil)); got != nil {
		t.Errorf("pack of a plain message: got %p, want none", got)
	}
}

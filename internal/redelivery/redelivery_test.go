package redelivery

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

func TestQueue(t *testing.T) {
	var q Queue[string]
	now := time.Unix(1000, 0)
	if _, ok := q.Take(now); ok || !q.Due().IsZero() || q.Len() != 0 {
		t.Fatalf("an empty queue: taken %t, due %v, %d batches", ok, q.Due(), q.Len())
	}
	for handings, want := range map[int]time.Duration{1: minBackOff, 2: 2 * minBackOff, 3: 4 * minBackOff, 7: maxBackOff, 1000: maxBackOff} {
		var one Queue[string]
		one.Add("b", handings, now)
		if got := one.Due().Sub(now); got != want {
			t.Errorf("handed out %d times: waits %v, want %v", handings, got, want)
		}
	}
	q.Add("later", 3, now)
	q.Add("soon", 1, now)
	if got := slices.Collect(q.All()); !slices.Equal(got, []string{"later", "soon"}) {
		t.Errorf("all: got %q", got)
	}
	if b, ok := q.Take(now.Add(minBackOff - 1)); ok {
		t.Errorf("%q is taken before its time", b)
	}
	if b, ok := q.Take(q.Due()); !ok || b != "soon" || q.Len() != 1 {
		t.Errorf("got %q, %t and %d left, want soon and one", b, ok, q.Len())
	}
	for range Limit - 2 {
		q.Add("more", 1, now)
	}
	if q.Full() {
		t.Errorf("full with %d", q.Len())
	}
	if q.Add("last", 1, now); !q.Full() {
		t.Errorf("not full with %d", q.Len())
	}
}

func TestRefused(t *testing.T) {
	records := [][]byte{[]byte("a"), []byte("b"), []byte("a")}
	refused := errors.New("refused")
	batch := func(fails ...int) error {
		messages := service.MessageBatch{}
		for _, r := range records {
			messages = append(messages, service.NewMessage(r))
		}
		err := service.NewBatchError(messages, refused)
		for _, i := range fails {
			err.Failed(i, refused)
		}
		return err
	}
	foreign := service.NewBatchError(service.MessageBatch{service.NewMessage([]byte("b"))}, refused)
	foreign.Failed(0, refused)
	for name, tc := range map[string]struct {
		err  error
		want []int
	}{
		"one of two alike":  {batch(2), []int{2}},
		"two":               {batch(0, 1), []int{0, 1}},
		"no names":          {batch(), nil},
		"another error":     {refused, nil},
		"message of others": {foreign, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Refused(tc.err, len(records), func(i int) []byte { return records[i] }); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/process"
	"clickstream/internal/redelivery"
)

// doc is an event as a reader sees it.
type doc struct {
	EventID   string      `json:"event_id"`
	EventType string      `json:"event_type"`
	UserID    string      `json:"user_id"`
	ProductID string      `json:"product_id"`
	Price     json.Number `json:"price"`
	Timestamp time.Time   `json:"timestamp"`
}

func decode(t *testing.T, m *service.Message) (d doc) {
	t.Helper()
	data, err := m.AsBytes()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return d
}

// connected returns a running input of this YAML, which is closed with the test.
func connected(t *testing.T, yaml string) *simulator {
	t.Helper()
	pc, err := spec().ParseYAML(yaml, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := parse(pc)
	if err != nil {
		t.Fatal(err)
	}
	s := open(cfg, service.MockResources())
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *simulator) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// read returns the next batch, or fails.
func read(t *testing.T, s *simulator) (service.MessageBatch, service.AckFunc) {
	t.Helper()
	batch, ack, err := s.ReadBatch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(batch) == 0 {
		t.Fatal("an empty batch")
	}
	return batch, ack
}

// TestDefaults: 30 s at the defaults are 3,000 events of 500 users and three types,
// each on its way within 10 ms, in the order of time.
func TestDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "{}")
		defer closed(t, s)
		users, types, ids := map[string]time.Time{}, map[string]int{}, map[string]bool{}
		n := 0
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
			batch, ack := read(t, s)
			for _, m := range batch {
				d := decode(t, m)
				if d.Timestamp.Before(users[d.UserID]) {
					t.Errorf("%s goes back in time", d.UserID)
				}
				if late := time.Since(d.Timestamp); late < 0 || late > tick+time.Millisecond {
					t.Errorf("an event dated %s ago", late)
				}
				users[d.UserID] = d.Timestamp
				types[d.EventType]++
				ids[d.EventID] = true
				n++
			}
			if err := ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if n < 2940 || n > 3060 {
			t.Errorf("events: got %d, want 3000 +- 2 %%", n)
		}
		if len(users) != 500 || len(types) != 3 || len(ids) != n {
			t.Errorf("got %d users, types %v, %d ids for %d events", len(users), types, len(ids), n)
		}
	})
}

// TestStall: an output that takes nothing for ten seconds gets what it missed at
// twice the rate, dated when it was made; one that is late to connect gets nothing extra.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "rate: 1000")
		defer closed(t, s)
		perSecond := map[int]int{}
		var begin time.Time
		count := func(until time.Duration) {
			for begin.IsZero() || time.Since(begin) < until {
				batch, ack := read(t, s)
				if begin.IsZero() {
					time.Sleep(time.Minute) // the output connects
					begin = time.Now()
				}
				perSecond[int(time.Since(begin)/time.Second)] += len(batch)
				if err := ack(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if d := decode(t, batch[0]); perSecond[1] > 0 && time.Since(d.Timestamp) > 2*tick {
					t.Errorf("an event dated %s ago", time.Since(d.Timestamp))
				}
			}
		}
		count(5 * time.Second)
		time.Sleep(10 * time.Second)
		count(30 * time.Second)
		total := 0
		for second := range 30 {
			got := perSecond[second]
			total += got
			low, high := 980, 1020
			switch {
			case second >= 5 && second < 15:
				low, high = 0, 20 // the batch that was waiting
			case second >= 15 && second < 25:
				low, high = 1960, 2040
			}
			if got < low || got > high {
				t.Errorf("second %d: got %d events, want %d to %d", second, got, low, high)
			}
		}
		if total < 29_950 || total > 30_050 {
			t.Errorf("30 s: got %d events, want 30000", total)
		}
	})
}

// TestNack: a refused batch comes again, byte by byte the same, after a back-off that
// grows; the end of input waits for it.
func TestNack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "{rate: 0, count: 3, seed: 1}")
		defer closed(t, s)
		first, ack := read(t, s)
		begin := time.Now()
		for i, wait := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
			if err := ack(t.Context(), errors.New("refused")); err != nil {
				t.Fatal(err)
			}
			var again service.MessageBatch
			again, ack = read(t, s)
			if got := time.Since(begin); got != wait {
				t.Errorf("attempt %d: came after %s, want %s", i, got, wait)
			}
			begin = time.Now()
			for i := range first {
				if decode(t, again[i]) != decode(t, first[i]) {
					t.Errorf("message %d differs from the one refused", i)
				}
			}
		}
		time.AfterFunc(time.Minute, func() { _ = ack(context.Background(), nil) })
		if _, _, err := s.ReadBatch(t.Context()); !errors.Is(err, service.ErrEndOfInput) {
			t.Fatalf("got %v, want the end of input", err)
		}
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("the end came %s after the last batch, want it with the acknowledgement", got)
		}
	})
}

// TestPartialNack: of a batch only what failed comes again.
func TestPartialNack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "{rate: 0, count: 10}")
		defer closed(t, s)
		batch, ack := read(t, s)
		failed := service.NewBatchError(batch, errors.New("two refused")).
			Failed(3, errors.New("refused")).Failed(8, errors.New("refused"))
		if err := ack(t.Context(), failed); err != nil {
			t.Fatal(err)
		}
		if err := ack(t.Context(), nil); err != nil { // Benthos may repeat itself: nothing changes
			t.Fatal(err)
		}
		again, ack := read(t, s)
		if len(again) != 2 || decode(t, again[0]) != decode(t, batch[3]) || decode(t, again[1]) != decode(t, batch[8]) {
			t.Errorf("got %d messages again, want the two that failed", len(again))
		}
		// A processor changed a message: nobody can tell which it was.
		changed := service.MessageBatch{service.NewMessage([]byte("{}")), again[1]}
		if err := ack(t.Context(), service.NewBatchError(changed, errors.New("one refused")).Failed(0, errors.New("refused"))); err != nil {
			t.Fatal(err)
		}
		if again, _ = read(t, s); len(again) != 2 {
			t.Errorf("got %d messages again, want both", len(again))
		}
	})
}

// TestRefuseEverything: an output that refuses all it gets is not fed new events.
func TestRefuseEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "rate: 0")
		defer closed(t, s)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			_, ack := read(t, s)
			if err := ack(t.Context(), errors.New("refused")); err != nil {
				t.Fatal(err)
			}
		}
		if got, limit := s.pacer.sent, int64(redelivery.Limit*maxBatch); got > limit {
			t.Errorf("events made: got %d, want at most %d", got, limit)
		}
	})
}

// TestStop: a batch that Benthos drops because it stops was never made; one that it
// passed on and never acknowledged is reported.
func TestStop(t *testing.T) {
	for name, tc := range map[string]struct {
		passOn int // batches passed on after the first, which is dropped if there is none
		ack    bool
		want   int64
	}{
		"dropped":                 {passOn: 0, want: 0},
		"acknowledged, dropped":   {passOn: 1, ack: true, want: 0},
		"unacknowledged, dropped": {passOn: 2, want: 2 * maxBatch},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := process.Unacked()
				s := connected(t, "rate: 0")
				for range tc.passOn {
					if _, ack := read(t, s); tc.ack {
						_ = ack(t.Context(), nil)
					}
				}
				read(t, s)
				closed(t, s)
				closed(t, s) // twice is once
				if got := process.Unacked() - before; got != tc.want {
					t.Errorf("unacked: got %d, want %d", got, tc.want)
				}
			})
		})
	}
}

// TestCancel: ReadBatch returns as soon as it is told to, without a batch.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connected(t, "rate: 1")
		defer closed(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		batch, _, err := s.ReadBatch(ctx)
		if batch != nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("got %d messages, error %v after %s", len(batch), err, time.Since(begin))
		}
		if _, _, err := s.ReadBatch(ctx); err == nil {
			t.Error("a cancelled ReadBatch returned a batch")
		}
	})
}

// TestCloseUnconnected: Benthos closes an input that it never connected.
func TestCloseUnconnected(t *testing.T) {
	closed(t, open(settings{users: 1}, service.MockResources()))
}

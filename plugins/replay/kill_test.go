package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startBroker starts a broker with the topic t, and a client for it.
func startBroker(t testing.TB) (address string, client *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	address = strings.Join(c.ListenAddrs(), ",")
	if client, err = kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("t")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return address, client
}

// kill ends an input as kill -9 does: nothing is written any more.
func kill(r *replay) {
	if r.stop != nil {
		r.stop()
		r.stopped.Wait()
	}
	if r.topic != nil {
		r.topic.client.Close()
	}
	if r.unlock != nil {
		_ = r.unlock()
	}
}

// TestKill is a model of what can happen: rows are written and not acknowledged,
// acknowledged out of order, refused, and the process is killed between any two steps,
// again and again, right after it went on too. In the end the topic has each row once,
// rows that are no event included.
func TestKill(t *testing.T) {
	const rows = 60_000
	path := write(t, "rows.csv", lines(rows))
	total := 0
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		address, client := startBroker(t)
		foreign := &kgo.Record{Value: []byte("not a row")}
		if err := client.ProduceSync(t.Context(), foreign).FirstErr(); err != nil {
			t.Fatal(err)
		}
		yaml := fmt.Sprintf("paths: [%s]\nkafka: { brokers: [%q], topic: t, settle: 0s }", path, address)
		marker := filepath.Join(t.TempDir(), "m")
		kills := 0
		for ; !round(t, rnd, newReplay(t, marker, yaml), client, kills > 25); kills++ {
			if kills > 60 {
				t.Fatal("no end after 60 kills")
			}
		}
		want, err := drain(t, newReplay(t, filepath.Join(t.TempDir(), "m"), "paths: ["+path+"]"))
		if err != nil {
			t.Fatal(err)
		}
		open := map[string]int{string(foreign.Value): 1}
		for _, row := range want {
			open[row]++
		}
		topic := read(t, address)
		for _, row := range topic {
			if open[row]--; open[row] < 0 {
				t.Fatalf("seed %d: after %d kills the topic has a row too often: %s", seed, kills, row)
			}
		}
		if len(topic) != rows+1 {
			t.Errorf("seed %d: after %d kills the topic has %d records, want %d", seed, kills, len(topic), rows+1)
		}
		total += kills
		// Without its marker a replay finds the rows all the same.
		again, err := drain(t, newReplay(t, filepath.Join(t.TempDir(), "m"), yaml))
		if err != nil || len(again) > 0 {
			t.Errorf("seed %d: without the marker %d rows come again, error %v, want none", seed, len(again), err)
		}
	}
	if total < 15 {
		t.Errorf("%d kills in all: this test would prove little", total)
	}
}

// round runs an input until it is killed, or ends; calm rounds are not killed.
func round(t *testing.T, rnd *rand.Rand, r *replay, client *kgo.Client, calm bool) (ended bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	type pending struct {
		ack  service.AckFunc
		good bool
	}
	var acks []pending
	for {
		if !calm && rnd.IntN(6) == 0 {
			kill(r)
			return false
		}
		if rnd.IntN(3) == 0 { // bring the marker up to date now, since tests wait for no clock
			if err := r.markOnce(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for rnd.IntN(2) == 0 && len(acks) > 0 || len(acks) > 4 || len(acks) > 0 && r.ended {
			i := rnd.IntN(len(acks))
			err := error(nil)
			if !acks[i].good {
				err = errors.New("refused")
			}
			_ = acks[i].ack(ctx, err)
			acks = append(acks[:i], acks[i+1:]...)
		}
		short, done := context.WithTimeout(ctx, 300*time.Millisecond) // a refused batch comes again after 100 ms
		batch, ack, err := r.ReadBatch(short)
		done()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue // it waits for acknowledgements
		}
		if err != nil {
			if !errors.Is(err, service.ErrEndOfInput) {
				t.Fatal(err)
			}
			if err := r.Close(ctx); err != nil {
				t.Fatal(err)
			}
			return true
		}
		if rnd.IntN(20) == 0 { // refused as a whole: nothing was written
			acks = append(acks, pending{ack, false})
			continue
		}
		rows := texts(t, batch)
		if !calm && rnd.IntN(8) == 0 { // killed when only some were written
			rows = rows[:rnd.IntN(len(rows))]
		}
		records := make([]*kgo.Record, len(rows))
		for i, row := range rows {
			records[i] = &kgo.Record{Value: []byte(row)}
		}
		if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if len(rows) < len(batch) {
			kill(r)
			return false
		}
		acks = append(acks, pending{ack, true})
	}
}

// read returns what the topic has.
func read(t testing.TB, address string) (out []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all := &topic{name: "t", opts: []kgo.Opt{kgo.SeedBrokers(address)}, client: client, admin: kadm.NewClient(client)}
	ends, err := all.ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := all.read(t.Context(), nil, ends, func(value []byte) { out = append(out, string(value)) }); err != nil {
		t.Fatal(err)
	}
	return out
}

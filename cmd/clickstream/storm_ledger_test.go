package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ledger is a producer that remembers what the broker acknowledged: what the tables
// are held against, independent of the topic.
type ledger struct {
	client *kgo.Client
	rate   int // records a second
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	sent    uint64
	acked   []ack
	unknown map[uint64]error // records whose produce failed: they may be in the topic or not
}

// ack is an acknowledged record: where it is, and what it must become.
type ack struct {
	offset    int64
	partition int32
	n         uint64
	hash      uint64
}

// badEvery makes about a hundredth of the ledger's records bad.
const badEvery = 97

// ledgerValue is the nth record's key and value.
func ledgerValue(n uint64) (key, value string, bad bool) {
	key = fmt.Sprintf("user_%04d", n%500)
	if n%badEvery == 0 {
		return key, badRecords[n/badEvery%uint64(len(badRecords))].value, true
	}
	user := key
	if n%11 == 0 {
		user = `Zoë \"` + key + `\"\t` // stored as what the escapes stand for
	}
	kind := []string{"page_view", "add_to_cart", "purchase", "remove_from_cart"}[n%4]
	price := []string{"0", "5", "29.9", "29.99", "0.0001", "999999.125"}[n%6]
	at := time.UnixMilli(1_768_000_000_000 + int64(n)*37).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	return key, fmt.Sprintf(`{"event_id":"%s","event_type":"%s","user_id":"%s","product_id":"prod_%d","price":%s,"timestamp":"%s"}`,
		ledgerUUID(n), kind, user, n%300, price, at), false
}

func ledgerUUID(n uint64) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// ledgerID is the entry id of the nth record.
func ledgerID(n uint64) [16]byte {
	if n%badEvery == 0 {
		return badID(n)
	}
	id, err := parseUUID(ledgerUUID(n))
	if err != nil {
		panic(err)
	}
	return id
}

// startLedger writes records to the topic clickstream until stop.
func (s *stack) startLedger(rate int) *ledger {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	l := &ledger{rate: rate, cancel: cancel, done: make(chan struct{}), unknown: map[uint64]error{}}
	l.client = s.kafka(
		kgo.DefaultProduceTopic("clickstream"),
		kgo.ProducerLinger(50*time.Millisecond),
		kgo.MaxBufferedRecords(50_000),
		kgo.UnknownTopicRetries(-1),
		kgo.ProduceRequestTimeout(2*time.Second),
		kgo.RequestTimeoutOverhead(3*time.Second),
		kgo.RetryTimeout(5*time.Second),
	)
	go l.run(ctx)
	return l
}

func (l *ledger) run(ctx context.Context) {
	defer close(l.done)
	const beat = 50 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for n := uint64(1); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for range max(1, l.rate*int(beat)/int(time.Second)) {
			l.send(n)
			n++
		}
	}
}

func (l *ledger) send(n uint64) {
	key, value, bad := ledgerValue(n)
	record := &kgo.Record{Key: []byte(key), Value: []byte(value)}
	if bad {
		record.Headers = []kgo.RecordHeader{{Key: ledgerHeader, Value: strconv.AppendUint(nil, n, 10)}}
	}
	// Not the run's context: what was begun is to be brought to an end.
	l.client.TryProduce(context.Background(), record, func(r *kgo.Record, err error) {
		var e entry
		if err == nil {
			e, err = entryOf(r)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sent++
		if err != nil {
			l.unknown[n] = err
			return
		}
		l.acked = append(l.acked, ack{partition: r.Partition, offset: r.Offset, n: n, hash: e.hash})
	})
}

// count is how many records were acknowledged so far.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// stop ends the writing and waits for the outcome of what was written.
func (l *ledger) stop(t testing.TB) {
	t.Helper()
	l.cancel()
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.client.Flush(ctx); err != nil {
		t.Errorf("the ledger's last records: %v", err)
	}
	l.client.Close()
}

// checkLedger holds what was acknowledged against the topic: that the tables hold all
// of the topic is audit's to say. It returns how many records of unknown outcome the
// topic turned out to hold.
func (a *audit) checkLedger(l *ledger) (resolved int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.acked {
		entries := a.topic[r.partition]
		switch {
		case r.offset >= int64(len(entries)):
			a.found(&a.lost, "ledger record %d was acknowledged at %d/%d, where the topic ends at %d", r.n, r.partition, r.offset, len(entries))
		case entries[r.offset].id != ledgerID(r.n) || entries[r.offset].hash != r.hash:
			a.found(&a.wrong, "ledger record %d was acknowledged at %d/%d, where the topic holds another", r.n, r.partition, r.offset)
		}
	}
	if len(l.unknown) == 0 {
		return 0
	}
	unknown := make(map[[16]byte]bool, len(l.unknown))
	for n := range l.unknown {
		unknown[ledgerID(n)] = true
	}
	for _, entries := range a.topic {
		for i := range entries {
			if unknown[entries[i].id] {
				delete(unknown, entries[i].id)
				resolved++
			}
		}
	}
	return resolved
}

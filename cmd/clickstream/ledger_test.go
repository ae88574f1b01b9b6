package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// record is a Kafka record that the broker has acknowledged, and the event in it.
type record struct {
	*kgo.Record
	event struct {
		ID        string    `json:"event_id"`
		Type      string    `json:"event_type"`
		User      string    `json:"user_id"`
		Product   string    `json:"product_id"`
		Price     float64   `json:"price"`
		Timestamp time.Time `json:"timestamp"`
	}
}

// kafka is a plain client of the stack's broker.
func (s *stack) kafka(opts ...kgo.Opt) *kgo.Client {
	s.t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.brokerAddr))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(client.Close)
	return client
}

// ends returns how many records each partition of topic holds.
func (s *stack) ends(topic string) map[int32]int64 {
	s.t.Helper()
	ends, err := s.listEnds(topic)
	if err != nil {
		s.t.Fatalf("end offsets of %s: %v", topic, err)
	}
	return ends
}

func (s *stack) listEnds(topic string) (map[int32]int64, error) {
	client := s.kafka()
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	offsets, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = offsets.Error()
	}
	ends := map[int32]int64{}
	offsets.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, err
}

// read returns every record of topic, by an own client: the ledger that the table
// is held against.
func (s *stack) read(topic string) []record {
	s.t.Helper()
	var records []record
	s.eachRecord(topic, func(r *kgo.Record) { records = append(records, record{Record: r}) })
	return records
}

// events is read of the topic clickstream, parsed.
func (s *stack) events() []record {
	s.t.Helper()
	records := s.read("clickstream")
	for i := range records {
		if err := json.Unmarshal(records[i].Value, &records[i].event); err != nil {
			s.t.Fatalf("record %d/%d is no event: %v", records[i].Partition, records[i].Offset, err)
		}
	}
	return records
}

// produce sends values to the topic clickstream and waits for the acknowledgement.
func (s *stack) produce(values ...string) {
	s.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: "clickstream", Value: []byte(v)}
	}
	if err := s.kafka().ProduceSync(s.t.Context(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// eventJSON is a valid event that is told apart by n.
func eventJSON(n int) string {
	return fmt.Sprintf(`{"event_id":"00000000-0000-4000-8000-%012x","event_type":"purchase","user_id":"user_%04d","product_id":"prod_1","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}`, n, n%500)
}

// stored returns how often each event id is in the table.
func (s *stack) stored() map[string]uint64 {
	s.t.Helper()
	rows, err := s.connect().Query(s.t.Context(), "SELECT toString(event_id), count() FROM clickstream.events GROUP BY event_id")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	counts := map[string]uint64{}
	for rows.Next() {
		var id string
		var n uint64
		if err := rows.Scan(&id, &n); err != nil {
			s.t.Fatal(err)
		}
		counts[id] = n
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return counts
}

// nothingMissing holds the table against the ledger both ways: every record's
// event is stored, and nothing is stored that no record holds.
func (s *stack) nothingMissing() {
	s.t.Helper()
	records, stored := s.events(), s.stored()
	if len(records) == 0 {
		s.t.Fatal("the topic is empty: this test would prove nothing")
	}
	for _, r := range records {
		if stored[r.event.ID] == 0 {
			s.t.Fatalf("event %s at %d/%d is in the topic and not in the table (%d records, %d distinct rows)",
				r.event.ID, r.Partition, r.Offset, len(records), len(stored))
		}
		stored[r.event.ID] |= 1 << 63 // seen
	}
	for id, n := range stored {
		if n < 1<<63 {
			s.t.Fatalf("event %s is in the table and not in the topic", id)
		}
	}
}

// drained waits until every record of the topic clickstream is stored or a dead letter.
func (s *stack) drained() {
	s.t.Helper()
	var total int64
	for _, end := range s.ends("clickstream") {
		total += end
	}
	s.awaitNumber(`SELECT (SELECT uniqExact(_stream, _partition, _offset) FROM clickstream.events)
		+ (SELECT uniqExact(_stream, _partition, _offset) FROM clickstream.dead_letters)`, uint64(total))
}

// awaitProduced waits until the topic clickstream holds at least n records.
func (s *stack) awaitProduced(n int64) {
	s.t.Helper()
	await(s.t, fmt.Sprintf("%d records in the topic", n), func() error {
		var total int64
		for _, end := range s.ends("clickstream") {
			total += end
		}
		if total < n {
			return fmt.Errorf("got %d", total)
		}
		return nil
	})
}

// committed returns the group's committed offset by partition.
func (s *stack) committed() map[int32]int64 {
	s.t.Helper()
	committed, err := s.listCommitted()
	if err != nil {
		s.t.Fatalf("committed offsets: %v", err)
	}
	return committed
}

func (s *stack) listCommitted() (map[int32]int64, error) {
	client := s.kafka()
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	offsets, err := kadm.NewClient(client).FetchOffsets(ctx, "clickstream-consumer")
	committed := map[int32]int64{}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == "clickstream" {
			committed[o.Partition] = o.At
		}
	})
	return committed, err
}

// awaitCommitted waits until the group has committed all of the topic, for as long as
// it gets further.
func (s *stack) awaitCommitted() {
	s.t.Helper()
	for last := int64(-1); ; {
		left := int64(0)
		await(s.t, "the group to get further", func() error {
			committed, err := s.listCommitted()
			if err != nil {
				return err // no consumer has joined yet
			}
			left = 0
			for partition, end := range s.ends("clickstream") {
				left += end - max(0, committed[partition])
			}
			if left == last {
				return fmt.Errorf("%d records to go", left)
			}
			return nil
		})
		if left == 0 {
			return
		}
		last = left
	}
}

// allCommitted fails unless the group has committed all of the topic.
func (s *stack) allCommitted() {
	s.t.Helper()
	committed := s.committed()
	for partition, end := range s.ends("clickstream") {
		if end > 0 && committed[partition] != end {
			s.t.Errorf("partition %d: committed offset %d, want the end, %d", partition, committed[partition], end)
		}
	}
}

//go:build kafka

package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"clickstream/internal/deadletters"
)

const lettersTopic = "clickstream-dead-letters"

// TestRealKafkaForgottenTransactions leaves what a kill of a lone Apache Kafka near a
// commit can leave: two transactions of a replay that are over to the coordinator, one
// committed and one aborted, and open in the topic of marks, and a third that is open in
// the topic of events. The next replay ends each as it ended elsewhere, sends what was
// not sent, and consumers go on.
func TestRealKafkaForgottenTransactions(t *testing.T) {
	s := newRealStack(t)
	values := make([]*kgo.Record, 3)
	for i := range values {
		values[i] = &kgo.Record{Topic: "clickstream", Value: []byte(negative(i))}
	}
	if err := s.kafka().ProduceSync(t.Context(), values...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.dlq(exitOK, "replay", "--limit", "1") // makes the topic of marks
	s.forgery()
	book, err := deadletters.Read(t.Context(), s.kafka(), lettersTopic)
	if err != nil {
		t.Fatal(err)
	}
	open := book.Choose(deadletters.Filter{}, deadletters.Open)
	if len(open) != 2 {
		t.Fatalf("open letters\n got %d\nwant 2", len(open))
	}
	s.forgetMark(open[0].Origin, kgo.TryCommit)
	s.forgetMark(open[1].Origin, kgo.TryAbort)
	s.forgetEvent()
	if n := len(s.openTransactions()); n != 3 {
		t.Fatalf("transactions left open\n got %d\nwant 3: this test would prove nothing", n)
	}

	out := s.dlq(exitOK, "replay")
	for _, want := range []string{"committed a transaction of an earlier replay", "aborted a transaction of an earlier replay", "replayed 1 letter"} {
		if !strings.Contains(out, want) {
			t.Errorf("replay\n got %s\nwant %s", out, want)
		}
	}
	if left := s.openTransactions(); len(left) > 0 {
		t.Errorf("transactions left open\n got %+v\nwant none", left)
	}
	s.settle("--set", mended)
	s.replayedOnce(3)
	if code, report := s.verify(); code != exitOK || !report.Exact {
		t.Errorf("verify: exit code %d: %+v\n%+v", code, report.Total, report.Findings)
	}
}

// forgery lets a producer write into a transaction of which the coordinator does not
// know, as Kafka did before version 3.6.
func (s *realStack) forgery() {
	s.t.Helper()
	off := "false"
	_, err := kadm.NewClient(s.kafka()).AlterBrokerConfigs(s.t.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "transaction.partition.verification.enable", Value: &off},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// forgetMark sends a letter in a transaction that ends, and marks it in a part of it that
// does not.
func (s *realStack) forgetMark(letter deadletters.Origin, end kgo.TransactionEndTry) {
	s.t.Helper()
	client := s.kafka(kgo.TransactionalID("clickstream-dlq-" + lettersTopic + "-" + rand.Text()))
	if err := client.BeginTransaction(); err != nil {
		s.t.Fatal(err)
	}
	event := &kgo.Record{
		Topic: "clickstream", Value: []byte(negative(1)), Timestamp: time.Now().Truncate(time.Millisecond),
		Headers: []kgo.RecordHeader{{Key: deadletters.OriginHeader, Value: []byte(letter.String())}},
	}
	if err := client.ProduceSync(s.t.Context(), event).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	if err := client.EndTransaction(s.t.Context(), end); err != nil {
		s.t.Fatal(err)
	}
	as := deadletters.Origin{Topic: event.Topic, Partition: event.Partition, Offset: event.Offset, Milli: event.Timestamp.UnixMilli()}
	value, err := json.Marshal(map[string]any{
		"state": "replayed", "at": time.Now().UTC().Truncate(time.Millisecond), "as": as.String(), "root": letter.String(), "attempt": 2,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.inject(event.ProducerID, event.ProducerEpoch, deadletters.MarksTopic(lettersTopic), []byte(letter.String()), value)
}

// forgetEvent leaves a record in the topic of events whose transaction is over.
func (s *realStack) forgetEvent() {
	s.t.Helper()
	client := s.kafka(kgo.TransactionalID("clickstream-dlq-" + lettersTopic + "-" + rand.Text()))
	if err := client.BeginTransaction(); err != nil {
		s.t.Fatal(err)
	}
	id, epoch, err := client.ProducerID(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := client.EndTransaction(s.t.Context(), kgo.TryAbort); err != nil {
		s.t.Fatal(err)
	}
	s.inject(id, epoch, "clickstream", nil, []byte(negative(2)))
}

// inject appends a record of a transaction to partition 0 of a topic.
func (s *realStack) inject(producer int64, epoch int16, topic string, key, value []byte) {
	s.t.Helper()
	record := kmsg.Record{Key: key, Value: value}
	record.Length = int32(len(record.AppendTo(nil)) - 1) // of a varint of one byte, or more
	raw := record.AppendTo(nil)
	for int(record.Length) != len(raw)-varintLen(record.Length) {
		record.Length = int32(len(raw) - varintLen(record.Length))
		raw = record.AppendTo(nil)
	}
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: 0x10, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: producer, ProducerEpoch: epoch, NumRecords: 1, Records: raw,
	}
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	batch.CRC = int32(crc32.Checksum(batch.AppendTo(nil)[21:], crc32.MakeTable(crc32.Castagnoli)))
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = batch.AppendTo(nil)
	to := kmsg.NewProduceRequestTopic()
	to.Topic, to.Partitions = topic, []kmsg.ProduceRequestTopicPartition{part}
	id := "clickstream-dlq-forged"
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis, req.Topics = &id, -1, 5000, []kmsg.ProduceRequestTopic{to}
	old := kversion.Stable()
	old.SetMaxKeyVersion(int16(kmsg.Produce), 11) // later ones tell the coordinator
	client := s.kafka(kgo.MaxVersions(old))
	meta, err := kadm.NewClient(client).Metadata(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := client.Broker(int(meta.Topics[topic].Partitions[0].Leader)).Request(s.t.Context(), req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		s.t.Fatal(fmt.Errorf("inject into %s: %w", topic, err))
	}
}

func varintLen(n int32) int {
	switch {
	case n < 1<<6:
		return 1
	case n < 1<<13:
		return 2
	default:
		return 3
	}
}

// openTransactions are all that the broker holds open in the topics of replays.
func (s *realStack) openTransactions() (open []kadm.DescribedProducer) {
	s.t.Helper()
	var where kadm.TopicsSet
	where.Add("clickstream")
	where.Add(deadletters.MarksTopic(lettersTopic))
	described, err := kadm.NewClient(s.kafka()).DescribeProducers(s.t.Context(), where)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range described.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 {
			open = append(open, p)
		}
	}
	return open
}

package main

import (
	"fmt"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestClockSkew: records from producers whose clocks are an hour ahead or behind, and
// jump: each is one row, and no lag is negative.
func TestClockSkew(t *testing.T) {
	s, r := newStack(t), seeded(t)
	consume := s.pipeline("consume", nil, quick...)
	consume.awaitReady(200)
	client := s.kafka()
	for i := range 20 {
		skew := []time.Duration{-time.Hour, 0, time.Hour}[r.IntN(3)]
		record := &kgo.Record{Topic: "clickstream", Value: []byte(eventJSON(i)), Timestamp: time.Now().Add(skew)}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		_, body, err := consume.get("/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^clickstream_kafka_lag_\S+ (\S+)$`).FindAllStringSubmatch(body, -1) {
			if lag, err := strconv.ParseFloat(m[1], 64); err != nil || lag < 0 {
				t.Errorf("%s, want none below zero (%v)", m[0], err)
			}
		}
	}
	s.drained()
	consume.stop()
	s.exact()
	s.allCommitted()
}

// TestRewind: after rows are gone, as by a power cut, somebody sets the group back to the
// start: all is read again, and only what is missing is stored.
func TestRewind(t *testing.T) {
	s := newStack(t)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	s.awaitProduced(3000)
	produce.stop()
	s.consumeAll()
	if err := s.connect().Exec(t.Context(), "ALTER TABLE clickstream.events DELETE WHERE _offset % 7 = 3 SETTINGS mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	before := s.number("SELECT count() FROM clickstream.events")
	var start kadm.Offsets
	for p := range s.ends("clickstream") {
		start.Add(kadm.Offset{Topic: "clickstream", Partition: p, At: 0, LeaderEpoch: -1})
	}
	if err := kadm.NewClient(s.kafka()).CommitAllOffsets(t.Context(), "clickstream-consumer", start); err != nil {
		t.Fatal(err)
	}
	s.consumeAll()
	if after := s.number("SELECT count() FROM clickstream.events"); before == after {
		t.Error("no row was missing: this test would prove nothing")
	}
	s.exact()
}

// consumeAll runs a consumer until the group is at the end of the topic.
func (s *stack) consumeAll() {
	s.t.Helper()
	consume := s.pipeline("consume", nil, quick...)
	s.drained()
	await(s.t, "the group at the end of the log", func() error {
		committed := s.committed()
		for p, end := range s.ends("clickstream") {
			if at := committed[p]; at != end {
				return fmt.Errorf("partition %d: committed %d of %d", p, at, end)
			}
		}
		return nil
	})
	consume.stop()
}

// TestTopicCreatedAnew: the topic is deleted and created again under both pipelines: its
// offsets start over, and each of its records is a row of its own.
func TestTopicCreatedAnew(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil, quick...)
	s.produce(eventJSON(1), eventJSON(2), eventJSON(3))
	s.awaitNumber("SELECT count() FROM clickstream.events", 3)
	admin := kadm.NewClient(s.kafka())
	if _, err := admin.DeleteTopic(t.Context(), "clickstream"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), 3, 1, nil, "clickstream"); err != nil {
		t.Fatal(err)
	}
	s.produce(eventJSON(4), eventJSON(5), eventJSON(6), eventJSON(7))
	s.awaitNumber("SELECT count() FROM clickstream.events", 7)
	consume.stop()
	if got := s.number("SELECT uniqExact(_stream, _partition, _offset) FROM clickstream.events"); got != 7 {
		t.Errorf("%d coordinates, want 7: those of the new topic pass for the old one's", got)
	}
	if got := s.number("SELECT uniqExact(_stream) FROM clickstream.events"); got != 2 {
		t.Errorf("%d streams, want 2", got)
	}
	again := s.pipeline("consume", nil, quick...)
	s.produce(eventJSON(8))
	s.awaitNumber("SELECT count() FROM clickstream.events", 8)
	again.stop()
}

// TestSessionTooShort: times that do not fit each other are said once, with what to do;
// no row is lost or repeated by them.
func TestSessionTooShort(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil, append([]string{"-s", "input.kafka.session_timeout=6s", "-s", "output.fallback.0.clickhouse.insert_timeout=5s"}, quick...)...)
	s.produce(eventJSON(1))
	consume.awaitLine(`insert_timeout should be less than a third of the input's session_timeout`)
	s.produce(eventJSON(2))
	s.drained()
	consume.stop()
	s.exact()
}

// TestSignalStorm: signals at any moment, one or several, of a start, a replay or an
// insert: the exit code says how it went, and the next start goes on from there.
func TestSignalStorm(t *testing.T) {
	s, r := newStack(t), seeded(t)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	rounds := 8
	if thorough() {
		rounds = 100
	}
	codes := map[int]int{}
	for range rounds {
		consume := s.pipeline("consume", []string{"KAFKA_INSTANCE_ID=one"}, quick...)
		consume.awaitLine(`.`)
		soon(t, r, 700*time.Millisecond)
		for range 1 + r.IntN(3) {
			consume.signal([]syscall.Signal{syscall.SIGTERM, syscall.SIGINT}[r.IntN(2)])
			soon(t, r, 20*time.Millisecond)
		}
		code := consume.exit()
		if codes[code]++; code != 0 && code != exitAbort && code != exitUnacked {
			t.Errorf("exit code %d, want 0, %d or %d:\n%s", code, exitUnacked, exitAbort, lastLines(consume.out.String(), 10))
		}
	}
	t.Logf("exit codes: %v", codes)
	produce.stop()
	consume := s.pipeline("consume", []string{"KAFKA_INSTANCE_ID=one"}, quick...)
	s.drained()
	consume.stop()
	s.exact()
	s.allCommitted()
}

//go:build kafka

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/deadletters"
)

// TestRealKafkaKilledInReplays kills a lone Apache Kafka within milliseconds of a commit,
// KILLS times (3), while letters are replayed one by one. After each kill the next replay
// goes on, whatever Kafka left open; at the end nothing is, and each letter was sent once.
func TestRealKafkaKilledInReplays(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("KILLS"))
	if err != nil {
		kills = 3
	}
	seed := rand.Uint64()
	if text := os.Getenv("SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d KILLS=%d", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))
	letters := 60 * (kills + 1)
	s := newRealStack(t)
	values := make([]*kgo.Record, letters)
	for i := range values {
		values[i] = &kgo.Record{Topic: "clickstream", Value: []byte(negative(i))}
	}
	if err := s.kafka().ProduceSync(t.Context(), values...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.dlq(exitOK, "replay", "--limit", "1") // makes the topic of marks
	marks := deadletters.MarksTopic(lettersTopic)
	left := 0
	for round := range kills {
		ends := s.endOf(marks)
		from := ends()
		p := start(t, s.env(), "dlq", "replay", "--batch", "1", "--limit", "50")
		until := from + 8 + random.Int64N(60)
		for ends() < until { // no wait between two looks
			select {
			case <-p.done:
				t.Fatalf("round %d: the replay ended before Kafka was killed:\n%s", round, p.out)
			default:
			}
		}
		s.broker.kill()
		s.startKafka()
		if code := p.exit(); code != exitOK && code != exitFailure {
			t.Errorf("round %d: replay: exit code %d, want 0 or 1:\n%s", round, code, p.out)
		}
		for line := range strings.Lines(p.out.String()) {
			if strings.Contains(line, "that Kafka had left open") {
				left++
				t.Log(strings.TrimSpace(line))
			}
		}
		t.Logf("kill %d of %d: %d transactions were left open so far", round+1, kills, left)
	}
	left += strings.Count(s.dlq(exitOK, "replay"), "that Kafka had left open")
	t.Logf("%d kills: Kafka left %d transactions open, which the next replay ended", kills, left)
	if open := s.openTransactions(); len(open) > 0 {
		t.Errorf("transactions left open\n got %+v\nwant none", open)
	}
	s.settle("--set", mended)
	s.replayedOnce(letters)
	s.marksTellTheTruth()
}

// marksTellTheTruth fails for each mark of a record that nobody can read, with what its
// partition holds from there on: a letter that is marked and was not sent is lost.
func (s *realStack) marksTellTheTruth() {
	s.t.Helper()
	sent := map[string]bool{}
	for _, r := range s.readCommitted("clickstream") {
		sent[fmt.Sprintf("clickstream/%d/%d", r.Partition, r.Offset)] = true
	}
	for _, r := range s.readCommitted(deadletters.MarksTopic(lettersTopic)) {
		var mark struct {
			As string `json:"as"`
		}
		if json.Unmarshal(r.Value, &mark) != nil || mark.As == "" {
			continue
		}
		as, err := deadletters.ParseOrigin(mark.As)
		if err != nil {
			s.t.Fatal(err)
		}
		if !sent[as.Place()] {
			s.t.Errorf("letter %s is marked (offset %d, producer %d epoch %d) as %s, which is not there:\n%s", r.Key, r.Offset, r.ProducerID, r.ProducerEpoch, mark.As, s.raw(as))
		}
	}
}

// raw lists some records of a partition from a place on, the ends of transactions among
// them.
func (s *realStack) raw(from deadletters.Origin) string {
	s.t.Helper()
	client := s.kafka(kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		from.Topic: {from.Partition: kgo.NewOffset().At(from.Offset)},
	}))
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var lines []string
	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
		if len(lines) < 12 {
			lines = append(lines, fmt.Sprintf("  offset %d producer %d epoch %d control %t key %x replay of %s",
				r.Offset, r.ProducerID, r.ProducerEpoch, r.Attrs.IsControl(), r.Key, headers(r)[deadletters.OriginHeader]))
		}
	})
	return strings.Join(lines, "\n")
}

// endOf returns how to learn, without a pause, how far a topic has grown.
func (s *realStack) endOf(topic string) func() int64 {
	admin := kadm.NewClient(s.kafka())
	return func() (sum int64) {
		ends, err := admin.ListEndOffsets(s.t.Context(), topic)
		if err != nil {
			s.t.Fatal(err)
		}
		ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
		return sum
	}
}

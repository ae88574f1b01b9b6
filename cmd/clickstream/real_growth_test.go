//go:build kafka

package main

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestRealKafkaGrowth: with `start: latest` a group passes over what there was in its
// first moment and over nothing later: not in partitions that are added while it reads,
// nor in an empty one that gets its first records while nobody does.
func TestRealKafkaGrowth(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			s := newRealStack(t)
			to := func(partition int32, values ...string) {
				records := make([]*kgo.Record, len(values))
				for i, v := range values {
					records[i] = &kgo.Record{Topic: "clickstream", Partition: partition, Value: []byte(v)}
				}
				client := s.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner()))
				defer client.Close()
				if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			all := numbered(600)
			to(0, all[:100]...)
			args := []string{"--set", "input.kafka.start=latest", "--set", "input.kafka.metadata_max_age=1s", "--set", "input.kafka.group_protocol=" + protocol}
			consume := s.pipeline("consume", nil, args...)
			s.awaitCommitted() // the end of each log, before anything is read
			if _, err := kadm.NewClient(s.kafka()).UpdatePartitions(t.Context(), 5, "clickstream"); err != nil {
				t.Fatal(err)
			}
			to(3, all[100:200]...)
			to(4, all[200:300]...)
			s.awaitNumber("SELECT count() FROM clickstream.events", 200)
			consume.stop()
			to(1, all[300:400]...)
			to(3, all[400:500]...)
			consume = s.pipeline("consume", nil, args...)
			s.awaitNumber("SELECT count() FROM clickstream.events", 400)
			to(0, all[500:]...)
			s.awaitNumber("SELECT count() FROM clickstream.events", 500)
			consume.stop()
			if got := s.number("SELECT count() FROM clickstream.events WHERE _partition = 0 AND _offset < 100"); got != 0 {
				t.Errorf("got %d rows of before the group's first moment", got)
			}
			if got := s.misplaced(); got > 0 {
				t.Errorf("%d rows do not hold the event of their record", got)
			}
		})
	}
}

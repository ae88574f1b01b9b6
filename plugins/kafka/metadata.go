package kafka

import (
	"fmt"
	"strconv"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// metadataSet is which metadata the messages get.
type metadataSet struct {
	any, topic, key, partition, offset, timestamp, headers bool
}

func parseMetadata(pc *service.ParsedConfig) (metadataSet, error) {
	var m metadataSet
	names, err := pc.FieldStringList("metadata")
	if err != nil {
		return m, err
	}
	known := map[string]*bool{
		"kafka_topic": &m.topic, "kafka_key": &m.key, "kafka_partition": &m.partition,
		"kafka_offset": &m.offset, "kafka_timestamp_unix_ms": &m.timestamp, "headers": &m.headers,
	}
	for _, name := range names {
		want, ok := known[name]
		if !ok {
			return m, fmt.Errorf("metadata: want kafka_topic, kafka_key, kafka_partition, kafka_offset, kafka_timestamp_unix_ms or headers, got %q", name)
		}
		*want, m.any = true, true
	}
	return m, nil
}

// set gives to the metadata that was asked for. A header must not pass for one of
// ours, so those come last.
func (m *metadataSet) set(to *service.Message, r *kgo.Record) {
	if m.headers {
		for _, h := range r.Headers {
			to.MetaSetMut(h.Key, string(h.Value))
		}
	}
	if m.topic {
		to.MetaSetMut("kafka_topic", r.Topic)
	}
	if m.key {
		to.MetaSetMut("kafka_key", string(r.Key))
	}
	if m.partition {
		to.MetaSetMut("kafka_partition", strconv.Itoa(int(r.Partition)))
	}
	if m.offset {
		to.MetaSetMut("kafka_offset", strconv.FormatInt(r.Offset, 10))
	}
	if m.timestamp {
		to.MetaSetMut("kafka_timestamp_unix_ms", strconv.FormatInt(r.Timestamp.UnixMilli(), 10))
	}
}

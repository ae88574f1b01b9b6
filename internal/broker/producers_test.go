package broker

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// idempotent is a batch of one record of a producer.
func idempotent(producer int64, epoch int16, sequence int32) []byte {
	b := batch(0, 1, "\x06\x00\x00\x00\x01\x00\x00")
	binary.BigEndian.PutUint32(b[batchLength:], uint32(len(b)-batchFrame))
	b[16] = 2
	binary.BigEndian.PutUint64(b[batchProducer:], uint64(producer))
	binary.BigEndian.PutUint16(b[batchEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b[batchSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(b[batchCount:], 1)
	binary.BigEndian.PutUint32(b[batchChecksum:], crc32.Checksum(b[batchChecked:], castagnoli))
	return b
}

// appendBatch sends a batch to partition 0 and returns the offset it got.
func appendBatch(t *testing.T, cl *kgo.Client, raw []byte) int64 {
	t.Helper()
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = raw
	to := kmsg.NewProduceRequestTopic()
	to.Topic, to.Partitions = topic, []kmsg.ProduceRequestTopicPartition{part}
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis, req.Topics = 9, -1, 1000, []kmsg.ProduceRequestTopic{to}
	conn := dial(t, cl.OptValue(kgo.SeedBrokers).([]string)[0])
	conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 7))
	body, err := answerTo(conn)
	if err != nil {
		t.Fatal(err)
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = req.Version
	if err := resp.ReadFrom(body[1:]); err != nil {
		t.Fatal(err)
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		t.Fatal(err)
	}
	return got.BaseOffset
}

// TestKillRemembersProducers: whichever of its last five batches a producer sends
// again after a kill, since the answer was lost, is not stored again; what it sends
// next is. The producer need not be one that the broker gave an id to.
func TestKillRemembersProducers(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := child(t, dir, "127.0.0.1:0")
	cl := client(t, addr)
	createTopic(t, cl, topic, 1)
	var producer int64 = 4711
	for i := range int32(7) {
		if got := appendBatch(t, cl, idempotent(producer, 3, i)); got != int64(i) {
			t.Fatalf("offset of batch %d\n got %d\nwant the same", i, got)
		}
	}
	for range 2 { // the second kill finds what the first start made
		kill(cmd)
		cmd, _ = child(t, dir, addr)
		for i := int32(2); i < 7; i++ {
			if got := appendBatch(t, cl, idempotent(producer, 3, i)); got != int64(i) {
				t.Errorf("offset of batch %d, sent again after a kill\n got %d\nwant %d", i, got, i)
			}
		}
	}
	if got := appendBatch(t, cl, idempotent(producer, 3, 7)); got != 7 {
		t.Errorf("offset of the next batch\n got %d\nwant 7", got)
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup(topic, 0); end.Offset != 8 {
		t.Errorf("records in the log\n got %d\nwant 8", end.Offset)
	}
	if id := producerID(t, client(t, addr)); id == producer {
		t.Errorf("a producer id was given out again: %d", id)
	}
}

func producerID(t *testing.T, cl *kgo.Client) int64 {
	t.Helper()
	id, _, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

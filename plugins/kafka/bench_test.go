package kafka

import (
	"context"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The benchmarks run against a broker in the same process, so an event's time
// includes the broker's. The plain ones do the same with franz-go alone: the
// difference is what the plugins cost.

func BenchmarkInput(b *testing.B) {
	in := startInput(b, benchBroker(b), "")
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		messages, ack, err := in.ReadBatch(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		n += len(messages)
		_ = ack(context.Background(), nil)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkPlainConsumer(b *testing.B) {
	cl := newClient(b, benchBroker(b), kgo.ConsumeTopics(testTopic), kgo.ConsumerGroup(testGroup),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		n += cl.PollFetches(context.Background()).NumRecords()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// benchBroker starts a broker that holds b.N events on disk.
func benchBroker(b *testing.B) string {
	b.Helper()
	addr := addresses(startBroker(b, kfake.DataDir(b.TempDir())))
	fillEvents(b, addr, b.N)
	return addr
}

func BenchmarkOutput(b *testing.B) {
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		b.Run(codec, func(b *testing.B) {
			out := startOutput(b, addresses(startBroker(b, kfake.DataDir(b.TempDir()))), "key_field: user_id\ncompression: "+codec)
			batch := events(5000)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += len(batch) {
				if err := out.WriteBatch(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkPlainProducer(b *testing.B) {
	cl := newClient(b, addresses(startBroker(b, kfake.DataDir(b.TempDir()))), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(64<<10, true, true, nil)), kgo.MaxBufferedRecords(100_000))
	batch := events(5000)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n++ {
		value, _ := batch[n%len(batch)].AsBytes()
		cl.Produce(context.Background(), &kgo.Record{Value: value, Key: value[72:81]}, nil)
	}
	_ = cl.Flush(context.Background())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func events(n int) service.MessageBatch {
	var out service.MessageBatch
	for i := range n {
		out = append(out, service.NewMessage(eventOf(i)))
	}
	return out
}

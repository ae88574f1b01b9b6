package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// BenchmarkWriteBatch: messages into the events table of a real engine on the same
// machine, from the message to the acknowledgement, in batches of 5,000.
func BenchmarkWriteBatch(b *testing.B) {
	for _, compression := range []string{"none", "lz4"} {
		b.Run(compression, func(b *testing.B) { benchmarkWrite(b, compression) })
	}
}

func benchmarkWrite(b *testing.B, compression string) {
	f := newFixture(b)
	f.schema(b)
	f.query(b, "CREATE TABLE nowhere AS events ENGINE = Null")
	o := connected(b, f.yaml("nowhere", "coordinates: true\ncompression: "+compression))
	docs := make([]string, 5000)
	for i := range docs {
		docs[i] = strings.Replace(change("user_0042", fmt.Sprintf("user_%04d", i%500)), "prod_123", fmt.Sprintf("prod_%03d", i%300), 1)
	}
	batch := messages(docs...)
	work := make(chan service.MessageBatch)
	done := make(chan error, 64)
	for range cap(done) {
		go func() {
			for batch := range work {
				if err := o.WriteBatch(b.Context(), batch); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += len(batch) {
		work <- batch
	}
	close(work)
	for range cap(done) {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

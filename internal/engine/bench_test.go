package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"clickstream/internal/engine/enginetest"
)

// BenchmarkInsert is a writer of events over the native protocol, columns built
// beforehand, driver and engine on the same machine.
func BenchmarkInsert(b *testing.B) {
	for _, rows := range []int{1_000, 10_000, 100_000} {
		for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4} {
			b.Run(fmt.Sprintf("%d-%s", rows, method), func(b *testing.B) { insertEvents(b, rows, method) })
		}
	}
}

func insertEvents(b *testing.B, rows int, method clickhouse.CompressionMethod) {
	s := enginetest.Start(b)
	options := s.Options(s.Database(b))
	options.Compression = &clickhouse.Compression{Method: method}
	conn := enginetest.Open(b, options)
	if err := conn.Exec(b.Context(), "CREATE TABLE t (id UUID, kind LowCardinality(String), user String, price Int64, at DateTime64(3)) ENGINE = MergeTree ORDER BY at"); err != nil {
		b.Fatal(err)
	}
	ids, kinds, users := make([]uuid.UUID, rows), make([]string, rows), make([]string, rows)
	prices, times := make([]int64, rows), make([]time.Time, rows)
	for i := range rows {
		ids[i], kinds[i], users[i] = uuid.New(), "page_view", fmt.Sprintf("user_%04d", i%500)
		prices[i], times[i] = int64(i), day.Add(time.Duration(i)*time.Millisecond)
	}
	for b.Loop() {
		batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO t")
		if err != nil {
			b.Fatal(err)
		}
		for i, column := range []any{ids, kinds, users, prices, times} {
			if err := batch.Column(i).Append(column); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

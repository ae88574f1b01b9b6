package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// stream runs a pipeline until its input ends or ctx does.
func stream(t *testing.T, yaml string) *service.Stream {
	t.Helper()
	b := service.NewStreamBuilder()
	if err := b.SetYAML(yaml); err != nil {
		t.Fatal(err)
	}
	b.SetLogger(slog.New(slog.DiscardHandler))
	s, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFallback is the shape of consume.yaml: rows that fail go on to another table,
// with their reason, and nothing else does.
func TestFallback(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE good (n UInt32, price Decimal(18, 4)) ENGINE = MergeTree ORDER BY n")
	f.query(t, "CREATE TABLE bad (reason LowCardinality(String), field String, payload String) ENGINE = MergeTree ORDER BY reason")
	server := fmt.Sprintf("addresses: [%q], database: %s, flush_interval: 50ms", f.Native, f.database)
	s := stream(t, fmt.Sprintf(`
input:
  generate:
    count: 1000
    interval: ""
    batch_size: 100
    mapping: |
      let n = counter()
      root = if $n %% 100 == 0 { "broken" } else if $n %% 50 == 0 { {"n": $n, "price": "free"} } else { {"n": $n, "price": 1.5} }
output:
  fallback:
    - clickhouse: {%[1]s, table: good}
    - clickhouse: {%[1]s, table: bad, columns: {"@reason": reason, "@field": field, "@value": payload}}
`, server))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := f.query(t, "SELECT count(), uniqExact(n), sum(price) FROM good"), "980\t980\t1470"; got != want {
		t.Errorf("good rows\n got %s\nwant %s", got, want)
	}
	want := "malformed_json\t\tbroken\t10\nwrong_type\tprice\t{\"n\":150,\"price\":\"free\"}\t10"
	if got := f.query(t, "SELECT reason, field, min(payload), count() FROM bad GROUP BY 1, 2 ORDER BY 1"); got != want {
		t.Errorf("bad rows\n got %s\nwant %s", got, want)
	}
}

// TestStopWithHalfABlock: a stop lets the rows that wait land; it does not wait for
// more of them than their time.
func TestStopWithHalfABlock(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	s := stream(t, fmt.Sprintf(`
input:
  generate: {interval: 1ms, mapping: 'root.n = counter()'}
output:
  clickhouse: {addresses: [%q], database: %s, table: t, flush_interval: 1s}
`, f.Native, f.database))
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	eventually(t, "the first block lands", func() bool { return f.query(t, "SELECT count() FROM t") != "0" })
	if err := s.StopWithin(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	<-done
	if got := f.query(t, "SELECT max(n) - count() FROM t"); got != "0" {
		t.Errorf("rows missing after the stop\n got %s\nwant 0", got)
	}
}

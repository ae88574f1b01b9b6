package clickhouse

import (
	"context"
	"testing"
	"time"

	"clickstream/internal/lag"
	"clickstream/internal/process"
)

// TestRecorder: what the process did is in the metrics table, each thing once, however
// many records it took, and by partition.
func TestRecorder(t *testing.T) {
	f := newFixture(t)
	f.schema(t)
	process.SetVersion("1.2.3")
	defer lag.Register(func() lag.Report {
		return lag.Report{Assignments: 2, Partitions: []lag.Partition{
			{Topic: "clickstream", Number: 2, Events: 40, Age: 1500 * time.Millisecond, Consumed: 9},
			{Topic: "clickstream", Number: 3, Events: 0, Consumed: 1},
		}}
	})()
	o := connected(t, f.yaml("events", "coordinates: true\nexactly_once: true\nmetrics_table: pipeline_metrics"))
	good := func(id string) string {
		return `{"event_id":"` + id + `","event_type":"purchase","user_id":"u","product_id":"p","price":1.5,"timestamp":"2026-01-15T10:30:00.123Z"}`
	}
	write(t, o, good("00000000-0000-4000-8000-000000000001"), "{", good("00000000-0000-4000-8000-000000000002"))
	eventually(t, "a record with the rows", func() bool {
		return f.query(t, "SELECT sum(rows) FROM pipeline_metrics") == "2"
	})
	eventually(t, "a record after it", func() bool {
		return f.query(t, "SELECT countIf(partition = -1) > 1 FROM pipeline_metrics") == "1"
	})
	if err := o.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for what, q := range map[string]struct{ sql, want string }{
		"partitions, summed": {
			"SELECT topic, partition, max(lag_events), max(lag_ms), sum(consumed), sum(rows), sum(letters) FROM pipeline_metrics WHERE partition >= 0 GROUP BY 1, 2 ORDER BY 2",
			"clickstream\t2\t40\t1500\t9\t2\t1\nclickstream\t3\t0\t0\t1\t0\t0"},
		"the process, summed": {
			"SELECT sum(inserts), sum(insert_ms) > 0, sum(bytes) > 100, sum(retries), sum(rebalances), sum(fill_time) FROM pipeline_metrics WHERE partition = -1",
			"1\t1\t1\t0\t2\t1"},
		"who": {"SELECT DISTINCT pipeline = hostName(), version FROM pipeline_metrics", "1\t1.2.3"},
	} {
		if got := f.query(t, q.sql); got != q.want {
			t.Errorf("%s\n got %s\nwant %s", what, got, q.want)
		}
	}
}

// TestRecorderWithoutTable: events are stored although the metrics table is missing.
func TestRecorderWithoutTable(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
	o := connected(t, f.yaml("t", "metrics_table: nowhere"))
	if got := write(t, o, `{"n":1}`); got != "<nil>" {
		t.Errorf("write\n got %s\nwant <nil>", got)
	}
	r, err := newRecorder(o.config, &o.stats.tally, o.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.conn.Close() }()
	if err := r.record(); err == nil {
		t.Error("a record without its table\n got no error\nwant one")
	}
	if got := f.query(t, "SELECT n FROM t"); got != "1" {
		t.Errorf("rows\n got %s\nwant 1", got)
	}
}

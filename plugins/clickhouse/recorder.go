package clickhouse

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"clickstream/internal/lag"
	"clickstream/internal/process"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	// recordEvery is the time between two records: the finest step of a dashboard.
	recordEvery = time.Second
	// recordPause is the time until the next attempt after one that failed. What
	// happens meanwhile is in the next record.
	recordPause = 10 * time.Second
)

// recorder writes once a second what the process did into a table, for dashboards.
// It has a connection of its own and never keeps a row of the stream waiting.
type recorder struct {
	config *config
	tally  *tally
	log    *service.Logger
	conn   api.Conn
	last   snapshot // of the record written last
}

// snapshot is what the process has done until now.
type snapshot struct {
	counts
	lags        map[topicPartition]lag.Partition
	assignments uint64
}

// newRecorder returns a recorder without connecting.
func newRecorder(c *config, t *tally, log *service.Logger) (*recorder, error) {
	o := c.options()
	o.MaxOpenConns, o.MaxIdleConns = 1, 1
	conn, err := driver.Open(o)
	if err != nil {
		return nil, err
	}
	return &recorder{config: c, tally: t, log: log, conn: conn}, nil
}

// run records until ctx ends, and what is left then.
func (r *recorder) run(ctx context.Context) {
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = r.record() // the rows are what counts; the table may be gone by now
			_ = r.conn.Close()
			return
		case <-tick.C:
		}
		if err := r.record(); err != nil {
			r.log.With("table", r.config.metricsTable, "error", r.config.explain(err).Error()).
				Warn("the pipeline's own metrics cannot be stored: trying again; events are not affected")
			tick.Reset(recordPause)
			continue
		}
		tick.Reset(recordEvery)
	}
}

// record writes what happened since the last record.
func (r *recorder) record() error {
	ctx, cancel := context.WithTimeout(context.Background(), r.config.insertTimeout)
	defer cancel()
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{"async_insert": 0}))
	now := r.look()
	batch, err := r.conn.PrepareBatch(ctx, "INSERT INTO "+r.config.quotedMetrics()+" ("+recordColumns+")")
	if err != nil {
		return err
	}
	for _, values := range rowsBetween(r.last, now) {
		if err := batch.Append(values...); err != nil {
			_ = batch.Abort()
			return fmt.Errorf("%s: %w", r.config.metricsTable, err)
		}
	}
	if err := batch.Send(); err != nil {
		return err
	}
	r.last = now
	return nil
}

func (r *recorder) look() snapshot {
	now := snapshot{counts: r.tally.read(), lags: map[topicPartition]lag.Partition{}}
	for _, report := range lag.Reports() {
		now.assignments += report.Assignments
		for _, p := range report.Partitions {
			now.lags[topicPartition{p.Topic, p.Number}] = p
		}
	}
	return now
}

const recordColumns = "pipeline, version, topic, partition, lag_events, lag_ms, consumed, rows, letters, " +
	"inserts, insert_ms, bytes, retries, rebalances, fill_rows, fill_bytes, fill_time, fill_idle, fill_close"

// rowsBetween returns the values of recordColumns: a row of the process, then one of
// each partition that is assigned or was written of.
func rowsBetween(last, now snapshot) [][]any {
	host, _ := os.Hostname() // without a name all hosts are one
	row := func(at topicPartition, values ...any) []any {
		return append([]any{host, process.Version(), at.topic, at.number}, values...)
	}
	fills := func(why reason) uint64 { return now.fills[why] - last.fills[why] }
	zero := uint64(0)
	rows := [][]any{row(topicPartition{number: -1},
		int64(0), int64(0), zero, zero, zero,
		now.inserts-last.inserts, float64(now.insert-last.insert)/float64(time.Millisecond), now.bytes-last.bytes,
		now.retries-last.retries, now.assignments-last.assignments,
		fills(byRows), fills(byBytes), fills(byTime), fills(byIdle), fills(byClose))}
	var all []topicPartition
	for at := range now.lags {
		all = append(all, at)
	}
	for at := range now.partitions {
		if _, assigned := now.lags[at]; !assigned && now.partitions[at] != last.partitions[at] {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b topicPartition) int { return int(a.number) - int(b.number) })
	for _, at := range all {
		standing, done, before := now.lags[at], now.partitions[at], last.partitions[at]
		consumed := standing.Consumed - min(standing.Consumed, last.lags[at].Consumed)
		rows = append(rows, row(at, standing.Events, standing.Age.Milliseconds(), consumed, done.rows-before.rows, done.letters-before.letters,
			zero, 0.0, zero, zero, zero, zero, zero, zero, zero, zero))
	}
	return rows
}

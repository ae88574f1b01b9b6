package clickhouse

import (
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// stats are the output's metrics. All are touched once a block or a batch, never
// once a row.
type stats struct {
	rows, bytes, flushes, rejected, retries, extra *service.MetricCounter
	fences, stale, readBack, kills, collisions     *service.MetricCounter
	waiting, blockRows, serverUp                   *service.MetricGauge
	seconds                                        *service.MetricTimer
	tally                                          tally
}

func newStats(m *service.Metrics) *stats {
	return &stats{
		rows:       m.NewCounter("clickstream_clickhouse_rows_total"),
		bytes:      m.NewCounter("clickstream_clickhouse_bytes_total"),
		flushes:    m.NewCounter("clickstream_clickhouse_flushes_total", "reason"),
		rejected:   m.NewCounter("clickstream_clickhouse_rejected_rows_total", "reason"),
		retries:    m.NewCounter("clickstream_clickhouse_retries_total", "class"),
		extra:      m.NewCounter("clickstream_clickhouse_extra_fields_total"),
		fences:     m.NewCounter("clickstream_clickhouse_fences_total"),
		stale:      m.NewCounter("clickstream_clickhouse_stale_inserts_total"),
		readBack:   m.NewCounter("clickstream_clickhouse_read_back_rows_total"),
		kills:      m.NewCounter("clickstream_clickhouse_killed_inserts_total"),
		collisions: m.NewCounter("clickstream_clickhouse_collisions_total"),
		waiting:    m.NewGauge("clickstream_clickhouse_rows_waiting"),
		blockRows:  m.NewGauge("clickstream_clickhouse_block_rows"),
		serverUp:   m.NewGauge("clickstream_clickhouse_up"),
		seconds:    m.NewTimer("clickstream_clickhouse_insert_seconds"),
	}
}

func (s *stats) flush(b *block, why reason) {
	s.flushes.Incr(1, string(why))
	s.blockRows.Set(int64(b.rows))
	s.tally.flush(why)
}

// stored counts the rows of g that the server has acknowledged.
func (s *stats) stored(g *group) {
	s.rows.Incr(int64(g.settled - len(g.rejected)))
	s.bytes.Incr(int64(g.block.bytes))
	s.extra.Incr(int64(g.block.extra))
	s.tally.stored(g)
}

func (s *stats) insert(took time.Duration, failure error) {
	s.seconds.Timing(took.Nanoseconds())
	s.tally.insert(took, failure != nil)
	if failure != nil {
		s.retries.Incr(1, classify(failure).String())
	}
}

func (s *stats) reject(r *rejections, batch documents) {
	var rejected row
	for n, why := range r.why {
		s.rejected.Incr(1, string(why.Reason))
		if batch.row(r.index[n], &rejected, false) == nil {
			s.tally.letter(&rejected.at)
		}
	}
}

func (s *stats) rowsWaiting(n int) { s.waiting.Set(int64(n)) }

func (s *stats) up(up bool) {
	if up {
		s.serverUp.Set(1)
	} else {
		s.serverUp.Set(0)
	}
}

package kafka

import (
	"strconv"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// inputStats are the input's metrics. They are counted per batch, never per record.
type inputStats struct {
	records, bytes, commits, commitErrors, rebalances, redeliveries, gaps *service.MetricCounter
	inFlight, lagEvents, lagSeconds                                       *service.MetricGauge
}

func newInputStats(m *service.Metrics) *inputStats {
	return &inputStats{
		records:      m.NewCounter("clickstream_kafka_consumed_records_total"),
		bytes:        m.NewCounter("clickstream_kafka_consumed_bytes_total"),
		commits:      m.NewCounter("clickstream_kafka_commits_total"),
		commitErrors: m.NewCounter("clickstream_kafka_commit_errors_total"),
		rebalances:   m.NewCounter("clickstream_kafka_rebalances_total"),
		redeliveries: m.NewCounter("clickstream_kafka_redeliveries_total"),
		gaps:         m.NewCounter("clickstream_kafka_gap_events_total"),
		inFlight:     m.NewGauge("clickstream_kafka_in_flight_bytes"),
		lagEvents:    m.NewGauge("clickstream_kafka_lag_events", "partition"),
		lagSeconds:   m.NewGauge("clickstream_kafka_lag_seconds", "partition"),
	}
}

func (s *inputStats) lag(p *partition, events int64, age time.Duration) {
	id := strconv.Itoa(int(p.id))
	s.lagEvents.Set(events, id)
	s.lagSeconds.SetFloat64(age.Seconds(), id)
}

// clear sets the gauges of a partition that was given up to zero: Benthos has no
// way to remove a series, and a stale lag would alarm somebody.
func (s *inputStats) clear(partition int32) {
	id := strconv.Itoa(int(partition))
	s.lagEvents.Set(0, id)
	s.lagSeconds.SetFloat64(0, id)
}

// outputStats are the output's metrics.
type outputStats struct {
	records, bytes, errors, retries, truncated *service.MetricCounter
}

func newOutputStats(m *service.Metrics) *outputStats {
	return &outputStats{
		records:   m.NewCounter("clickstream_kafka_produced_records_total"),
		bytes:     m.NewCounter("clickstream_kafka_produced_bytes_total"),
		errors:    m.NewCounter("clickstream_kafka_produce_errors_total"),
		retries:   m.NewCounter("clickstream_kafka_produce_retries_total"),
		truncated: m.NewCounter("clickstream_kafka_truncated_letters_total"),
	}
}

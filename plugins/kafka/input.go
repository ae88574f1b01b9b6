package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"clickstream/internal/lag"
	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

func init() { service.MustRegisterBatchInput("kafka", inputSpec(), openInput) }

// inputSpec is the only home of a field's name, unit, default and prose.
func inputSpec() *service.ConfigSpec {
	return service.NewConfigSpec().Stable().Version("0.1.0").Categories("Services").
		Summary("Reads a topic as a member of a consumer group and commits only what the output has acknowledged.").
		Description(inputText).
		Fields(clientFields()...).
		Fields(
			service.NewStringField("group").
				Description("The consumer group. Its members share the partitions; its committed offsets say where to go on after a restart."),
			service.NewStringEnumField("start", "earliest", "latest").Default("earliest").
				Description("Where a group begins that has committed nothing yet: with what the topic holds, or with what comes from now on. A partition that appears later is read from its beginning either way."),
			service.NewStringEnumField("on_gap", "stop", "continue").Default("stop").
				Description("What to do when records were deleted before they were read: `stop` the process, so that a person decides, or `continue` after them. Either way the gap is logged and counted in clickstream_kafka_gap_events_total."),
			service.NewStringEnumField("on_truncation", "stop", "rewind").Default("stop").
				Description("What to do when the brokers lost records that this group has read, such as after an unclean election, and give their offsets out again: `stop` the process, so that a person decides, or `rewind` to where the log was cut and read what has come since."),
			service.NewStringEnumField("tombstones", "deliver", "skip").Default("deliver").Advanced().
				Description("What to do with records without a value (null), which stand for deletion in a compacted topic: `deliver` them as empty messages, which the `clickhouse` output refuses as `no_value`, or `skip` them."),
			service.NewStringListField("metadata").Default([]any{}).Advanced().
				Description("Metadata to give each message: any of kafka_topic, kafka_key, kafka_partition, kafka_offset, kafka_timestamp_unix_ms, and headers (each header under its own name). Each one costs time and memory per event. Outputs of this project need none of it: the record's coordinate travels with the message anyway.").
				Example([]string{"kafka_key", "headers"}),
			durationField("commit_interval", "500ms").
				Description("How often to commit. What was acknowledged since the last commit is read again after a crash."),
			service.NewIntField("max_batch_records").Default(5000).Advanced().
				Description("The most records a batch holds. A batch is a run of consecutive records of one partition; what a fetch brings is cut evenly.").
				LintRule(`root = if this.number() < 1 { ["max_batch_records: want 1 or more"] }`),
			service.NewIntField("max_in_flight_bytes").Default(60<<20).Advanced().
				Description("How much may be read and not yet acknowledged before reading stops: keys, values, and what the pipeline needs to carry each record, which is 512 bytes, or 48 if nothing lies between this input and the outputs of this project.").
				LintRule(`root = if this.number() < 1048576 { ["max_in_flight_bytes: want 1048576 or more"] }`),
			service.NewIntField("fetch_max_bytes").Default(2<<20).Advanced().
				Description("The most one broker may answer to one fetch, compressed. One fetch is held besides what is in flight; larger ones are no faster below a million events per second."),
			service.NewIntField("fetch_max_partition_bytes").Default(1<<20).Advanced().
				Description("The most of one partition in the answer to one fetch, compressed."),
			service.NewIntField("fetch_min_bytes").Default(64<<10).Advanced().
				Description("A broker answers as soon as it has this much, or after fetch_max_wait: so a trickle does not become a batch per event."),
			durationField("fetch_max_wait", "50ms").Advanced().
				Description("How long a broker may wait for fetch_min_bytes. A quiet topic's events are delayed by half of it on average."),
		).
		Fields(groupFields()...).
		LintRule(timesRule)
}

const inputText = `
Each record becomes one message. Its coordinate (stream, partition, offset, time, key) travels in the message's context, where the outputs of
this project find it. A batch that the output refuses is delivered again, after a pause that grows up to 10 s, while other batches go on; if
the output names the messages that failed, only those are delivered again. Nothing after a refused record is committed before it is stored.

When partitions are taken away, the input lets nothing more of them into the pipeline, waits up to drain_timeout for what is there, commits,
and only then lets go. Answers that come later change nothing.

While no broker answers, or the topic is missing, the input waits, and says so once per 10 s; a refused login or certificate at the start stops the process.

Metrics, by partition where it says so: ` + "`clickstream_kafka_consumed_records_total`, `clickstream_kafka_consumed_bytes_total`, `clickstream_kafka_in_flight_bytes`, " +
	"`clickstream_kafka_lag_events` (partition), `clickstream_kafka_lag_seconds` (partition; age of the oldest record that is not stored), " +
	"`clickstream_kafka_commits_total`, `clickstream_kafka_commit_errors_total`, `clickstream_kafka_rebalances_total`, `clickstream_kafka_redeliveries_total`, " +
	"and `clickstream_kafka_gap_events_total`: records that were deleted before they were read. "

type inputConfig struct {
	client
	group          groupConfig
	latest         bool
	stopOnGap      bool
	stopOnLoss     bool // of a log's tail
	skipTombstones bool
	metadata       metadataSet
	commitInterval time.Duration
	batchRecords   int
	inFlightBytes  int64
	fetchBytes     int32
	partitionBytes int32
	fetchMinBytes  int32
	fetchMaxWait   time.Duration
}

// parseInput returns a config whose every value is in range, or an error that
// names the field.
func parseInput(pc *service.ParsedConfig) (inputConfig, error) {
	var c inputConfig
	var err error
	if c.client, err = parseClient(pc); err != nil {
		return c, err
	}
	if c.group, err = parseGroup(pc); err != nil {
		return c, err
	}
	start, err := pc.FieldString("start")
	if err != nil {
		return c, err
	}
	if start != "earliest" && start != "latest" {
		return c, fmt.Errorf("start: want earliest or latest, got %q", start)
	}
	c.latest = start == "latest"
	onGap, err := pc.FieldString("on_gap")
	if err != nil {
		return c, err
	}
	c.stopOnGap = onGap != "continue"
	onTruncation, err := pc.FieldString("on_truncation")
	if err != nil {
		return c, err
	}
	c.stopOnLoss = onTruncation != "rewind"
	tombstones, err := pc.FieldString("tombstones")
	if err != nil {
		return c, err
	}
	c.skipTombstones = tombstones == "skip"
	if c.metadata, err = parseMetadata(pc); err != nil {
		return c, err
	}
	return c, errors.Join(
		duration(pc, "commit_interval", &c.commitInterval),
		duration(pc, "fetch_max_wait", &c.fetchMaxWait),
		size(pc, "max_batch_records", 1, &c.batchRecords),
		size(pc, "max_in_flight_bytes", 1<<20, &c.inFlightBytes),
		size(pc, "fetch_max_bytes", 1<<10, &c.fetchBytes),
		size(pc, "fetch_max_partition_bytes", 1<<10, &c.partitionBytes),
		size(pc, "fetch_min_bytes", 1, &c.fetchMinBytes),
	)
}

// input lives as long as the pipeline; a session as long as one client.
type input struct {
	config inputConfig
	log    *limiter
	stats  *inputStats
	totals totals
	forget func() // of what internal/lag knows

	mu      sync.Mutex
	session *session
	closed  bool
}

func openInput(pc *service.ParsedConfig, res *service.Resources) (service.BatchInput, error) {
	config, err := parseInput(pc)
	if err != nil {
		return nil, err
	}
	in := &input{config: config, log: newLimiter(res.Logger()), stats: newInputStats(res.Metrics())}
	// franz-go knows limits of its own, such as a fetch_max_wait of 10 ms or more.
	if err := kgo.ValidateOpts((&session{config: &in.config}).options(nil)...); err != nil {
		return nil, err
	}
	config.warn(res.Logger())
	in.forget = lag.Register(in.lags)
	return in, nil
}

func (in *input) health() string { return in.config.name() + "/" + in.config.topic + " input" }

// Connect waits for the cluster and its topic, then joins the group.
func (in *input) Connect(ctx context.Context) error {
	if old := in.current(); old != nil {
		old.close()
	}
	facts, err := in.look(ctx)
	if err != nil {
		return err
	}
	s, err := newSession(in, facts)
	if err != nil {
		process.Fatal(err)
		return service.NewErrBackOff(fmt.Errorf("%s: %w", in.config.name(), err), fatalWait)
	}
	in.mu.Lock()
	closed := in.closed
	in.session = s
	in.mu.Unlock()
	if closed {
		s.close()
		return service.ErrEndOfInput
	}
	return nil
}

// look asks the cluster for the topic with a client of its own: one that belongs
// to a group would join at once, topic or not.
func (in *input) look(ctx context.Context) (topicFacts, error) {
	cl, err := kgo.NewClient(in.config.options(in.log)...)
	if err != nil {
		return topicFacts{}, service.NewErrBackOff(fmt.Errorf("%s: %w", in.config.name(), err), fatalWait)
	}
	defer cl.Close()
	l := &link{client: in.config.client, log: in.log, health: in.health(), cl: cl}
	if old := in.current(); old != nil {
		l.worked.Store(old.worked.Load())
	}
	return l.reach(ctx)
}

func (in *input) current() *session {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.session
}

// ReadBatch returns the next batch, of one partition and never empty.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	s := in.current()
	if s == nil {
		return nil, nil, service.ErrNotConnected
	}
	for {
		if b := s.queue.Pop(); b != nil {
			if messages, ack := s.deliver(b); messages != nil {
				return messages, ack, nil
			}
			continue
		}
		select {
		case <-s.queue.Wait():
		case <-s.broken:
			return nil, nil, service.ErrNotConnected
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// Close commits what was acknowledged and leaves the group. Benthos calls it once
// every batch has its answer, or at a hard stop.
func (in *input) Close(context.Context) error {
	in.mu.Lock()
	s := in.session
	in.closed, in.session = true, nil
	in.mu.Unlock()
	if s != nil {
		s.close()
		process.AddUnacked(s.left)
	}
	in.forget()
	process.ForgetHealth(in.health())
	return nil
}

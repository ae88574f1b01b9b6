package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func init() { service.MustRegisterBatchOutput("kafka", outputSpec(), openOutput) }

// outputSpec is the only home of a field's name, unit, default and prose.
func outputSpec() *service.ConfigSpec {
	return service.NewConfigSpec().Stable().Version("0.1.0").Categories("Services").
		Summary("Writes messages to a topic, idempotently, and acknowledges them once every in-sync replica has them.").
		Description(outputText).
		Fields(clientFields()...).
		Fields(
			service.NewStringField("key_field").Default("").
				Description("The top-level field of the JSON message whose value becomes the record's key. Records of one key go to one partition, the same as with Kafka's own clients (murmur2), in the order in which they came. A message without the field has no key and goes to any partition.").
				Example("user_id"),
			service.NewInterpolatedStringField("key").Default("").
				Description("The key as a function of the message, where key_field does not do. It costs about a microsecond an event.").
				Example(`${! metadata("kafka_key") }`),
			service.NewBoolField("dead_letters").Default(false).
				Description("Write dead letters: the message as it came, under the key it came with, and why it was refused in the headers reason, field, message, topic, partition, offset, timestamp and version. To be used as a fallback of an output that names the messages it refuses."),
			service.NewStringEnumField("compression", "none", "gzip", "snappy", "lz4", "zstd").Default("lz4").
				Description("How to compress batches of records. lz4 halves events at no cost in throughput (BenchmarkOutput)."),
			service.NewIntField("max_in_flight").Default(1).
				Description("How many batches may be written at the same time. With more than one, events of one key may change places when one is sent again."),
			service.NewIntField("max_buffered_bytes").Default(64<<20).Advanced().
				Description("How much may wait for the brokers; then the pipeline waits.").
				LintRule(`root = if this.number() < 1048576 { ["max_buffered_bytes: want 1048576 or more"] }`),
		).
		LintRule(`root = if this.key.or("") != "" && this.key_field.or("") != "" { ["key, key_field: want at most one of them"] }`)
}

const outputText = `
Every record is sent again until the brokers have it: while none answers, the output waits, and says so once per 10 s. A message that no
retry can help is refused alone, its neighbours are written: one that is larger than the topic takes. Behind an input that sends refused
messages again for ever, put a ` + "`fallback`" + ` for it; the events of this project's simulator are 200 bytes, so produce.yaml has none. A dead letter
that is too large loses the end of its value, and says so in the header ` + "`truncated`" + `.

Order: batches are written in the order of the input, one at a time, and one request at a time; a record that is sent again takes those behind it along.

Metrics: ` + "`clickstream_kafka_produced_records_total`, `clickstream_kafka_produced_bytes_total`, `clickstream_kafka_produce_errors_total` (messages refused), " +
	"`clickstream_kafka_produce_retries_total` and `clickstream_kafka_truncated_letters_total`. "

type outputConfig struct {
	client
	keyField    string
	key         *service.InterpolatedString // nil: none
	deadLetters bool
	codec       kgo.CompressionCodec
	inFlight    int
	buffered    int
}

// parseOutput returns a config whose every value is in range, or an error that
// names the field.
func parseOutput(pc *service.ParsedConfig) (outputConfig, error) {
	var c outputConfig
	var err error
	if c.client, err = parseClient(pc); err != nil {
		return c, err
	}
	if c.keyField, err = pc.FieldString("key_field"); err != nil {
		return c, err
	}
	if text, _ := pc.FieldString("key"); text != "" {
		if c.keyField != "" {
			return c, errors.New("key, key_field: want at most one of them, got both")
		}
		if c.key, err = pc.FieldInterpolatedString("key"); err != nil {
			return c, err
		}
	}
	if c.deadLetters, err = pc.FieldBool("dead_letters"); err != nil {
		return c, err
	}
	if c.codec, err = parseCodec(pc); err != nil {
		return c, err
	}
	return c, errors.Join(
		size(pc, "max_in_flight", 1, &c.inFlight),
		size(pc, "max_buffered_bytes", 1<<20, &c.buffered),
	)
}

func parseCodec(pc *service.ParsedConfig) (kgo.CompressionCodec, error) {
	name, err := pc.FieldString("compression")
	if err != nil {
		return kgo.NoCompression(), err
	}
	codec, ok := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[name]
	if !ok {
		return codec, fmt.Errorf("compression: want none, gzip, snappy, lz4 or zstd, got %q", name)
	}
	return codec, nil
}

// output writes batches with one client.
type output struct {
	link
	config  outputConfig
	stats   *outputStats
	version string       // goes into dead letters
	limit   atomic.Int32 // bytes of the largest batch of records that the topic takes
	stop    context.CancelFunc
	watched chan struct{} // closed when the watch has ended
}

// defaultLimit is Kafka's default for max.message.bytes; franz-go's is the same
// less some room for what surrounds a batch.
const defaultLimit = 1_000_012

// maxLimit keeps one batch, and with it one request, within what brokers accept
// (socket.request.max.bytes, 100 MiB by default).
const maxLimit = 32 << 20

func openOutput(pc *service.ParsedConfig, res *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
	config, err := parseOutput(pc)
	if err != nil {
		return nil, service.BatchPolicy{}, 0, err
	}
	config.warn(res.Logger())
	o := &output{config: config, stats: newOutputStats(res.Metrics()), version: res.EngineVersion()}
	o.client, o.log = config.client, newLimiter(res.Logger())
	o.health = config.name() + "/" + config.topic + " output"
	o.limit.Store(defaultLimit)
	if err := kgo.ValidateOpts(o.options(newWatch())...); err != nil {
		return nil, service.BatchPolicy{}, 0, err
	}
	return o, service.BatchPolicy{}, config.inFlight, nil
}

func (o *output) options(health *watch) []kgo.Opt {
	return append(o.config.options(o.log),
		kgo.DefaultProduceTopic(o.config.topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotent too, which is franz-go's default
		// A broker that knows nothing of a producer yet takes any first sequence number:
		// were the first request refused and the second one not, a user's events would
		// be out of order.
		kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(64<<10, true, true, nil)),
		kgo.ProducerBatchCompression(o.config.codec),
		kgo.ProducerBatchMaxBytesFn(func(string) int32 { return o.limit.Load() }),
		kgo.ManualFlushing(), // send says when
		kgo.MaxBufferedBytes(o.config.buffered),
		kgo.MaxBufferedRecords(o.config.buffered/minBuffered),
		kgo.WithHooks(health),
	)
}

// minBuffered is what a buffered record takes at least, its own struct included.
const minBuffered = 200

// Connect waits for the cluster and its topic.
func (o *output) Connect(ctx context.Context) error {
	if o.cl == nil {
		health := newWatch()
		cl, err := kgo.NewClient(o.options(health)...)
		if err != nil {
			err = fmt.Errorf("%s: %w", o.name(), err)
			process.Fatal(err)
			return service.NewErrBackOff(err, fatalWait)
		}
		o.cl = cl
		watchCtx, stop := context.WithCancel(context.Background())
		o.stop, o.watched = stop, make(chan struct{})
		go func() {
			defer close(o.watched)
			health.run(watchCtx, &o.link)
		}()
	}
	if _, err := o.reach(ctx); err != nil {
		return err
	}
	o.learnLimit(ctx)
	return nil
}

// learnLimit asks how large a batch of records the topic takes, so that a record
// which is too large is known here and fails alone. A broker that does not say
// (the permission is not a common one) leaves Kafka's default.
func (o *output) learnLimit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	configs, err := kadm.NewClient(o.cl).DescribeTopicConfigs(ctx, o.topic)
	if err != nil {
		return
	}
	topic, err := configs.On(o.topic, nil)
	if err != nil || topic.Err != nil {
		return
	}
	for _, c := range topic.Configs {
		if c.Key != "max.message.bytes" || c.Value == nil {
			continue
		}
		var n int
		if _, err := fmt.Sscan(*c.Value, &n); err == nil && n > 0 {
			o.limit.Store(int32(min(n, maxLimit)))
		}
	}
}

// Close drops what is not written; Benthos calls it when every batch has its
// answer, or at a hard stop.
func (o *output) Close(context.Context) error {
	if o.cl != nil {
		o.stop()
		<-o.watched
		o.cl.Close()
	}
	process.ForgetHealth(o.health)
	return nil
}

package broker

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config is what a broker needs to start. The zero value of every field but Dir
// stands for its default.
type Config struct {
	// Dir holds the log, topics, groups and offsets; it is made if need be.
	Dir string
	// Listen is the address to serve on, loopback only, since there is neither
	// encryption nor authentication. Port 0 picks a free one. Default
	// 127.0.0.1:9092.
	Listen string
	// DiskCap is the size of the data folder in bytes at which records are
	// refused until readers catch up. Default 8 GiB.
	DiskCap int64
	// BatchCap is the number of record batches at which records are refused
	// likewise: the broker's index takes about 90 bytes of memory for each, and at
	// a few events per second every event is a batch. Default 8 million.
	BatchCap int64
	// Keep is how many bytes of each topic stay on disk after every group has read
	// them, for replays. Default 1 GiB; it is given up first when the cap is near.
	Keep int64
	// KeepBatches bounds Keep in batches, for memory's sake. Default 1 million.
	KeepBatches int64
	// SegmentBytes is the size of a log file: space is freed by whole files, and a
	// start reads whole files into memory. Default 8 MiB.
	SegmentBytes int64
	// Sweep is the time between two looks of the janitor. Default 1 s.
	Sweep time.Duration
	// AutoCreate lets clients create topics by using them. It is meant for tests:
	// elsewhere a misspelt topic should be an error.
	AutoCreate bool
	// NoFlush acknowledges records before they are on disk, so that a power cut may
	// take what was acknowledged in the seconds before it. A kill does not.
	NoFlush bool
	// Idle is how long a connection may stay silent. Default 10 minutes.
	Idle time.Duration
	// Log takes warnings. Default slog.Default().
	Log *slog.Logger
}

const (
	defaultListen      = "127.0.0.1:9092"
	defaultDiskCap     = 8 << 30
	defaultBatchCap    = 8_000_000
	defaultKeep        = 1 << 30
	defaultKeepBatches = 1_000_000
	defaultSegment     = 8 << 20
	defaultSweep       = time.Second
	// defaultPartitions is for topics created without a number.
	defaultPartitions = 3
	// minSession admits sessions shorter than Kafka's 6 s, for tests that wait for
	// a member's death; the pipelines ask for 9 s.
	minSession = 500 * time.Millisecond
)

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, defaultListen)
	c.DiskCap = cmp.Or(c.DiskCap, defaultDiskCap)
	c.BatchCap = cmp.Or(c.BatchCap, defaultBatchCap)
	c.Keep = cmp.Or(c.Keep, defaultKeep)
	c.KeepBatches = cmp.Or(c.KeepBatches, defaultKeepBatches)
	c.SegmentBytes = cmp.Or(c.SegmentBytes, defaultSegment)
	c.Sweep = cmp.Or(c.Sweep, defaultSweep)
	c.Log = cmp.Or(c.Log, slog.Default())
	return c
}

// options turns c into kfake's terms. Retention is off in every form, since it
// would delete by age or size without asking whether a record was read: the
// janitor decides instead, whatever a topic's own settings say (hence the cleaner
// that wakes once in ten years).
func options(c Config, ln net.Listener) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.DataDir(c.Dir),
		kfake.NumBrokers(1),
		kfake.ClusterID(newClusterID()),
		kfake.DefaultNumPartitions(defaultPartitions),
		kfake.GroupMinSessionTimeout(minSession),
		kfake.WithLogger(clusterLog{c.Log}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes":      fmt.Sprint(c.SegmentBytes),
			"log.retention.bytes":    "-1",
			"log.retention.ms":       "-1",
			"log.cleaner.backoff.ms": "315360000000",
			// A laptop that stayed closed for a month still knows where it was.
			"offsets.retention.minutes": "525600",
			// Quick rebalances; Kafka's 5 s would show in every restart.
			"group.consumer.heartbeat.interval.ms": "500",
			"group.initial.rebalance.delay.ms":     "0",
		}),
	}
	if c.AutoCreate {
		opts = append(opts, kfake.AllowAutoTopicCreation())
	}
	return opts
}

// newClusterID draws an id in Kafka's own form, 16 bytes in base64. It counts only
// for a new data folder; an old one keeps its own.
func newClusterID() string {
	var id [16]byte
	rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}

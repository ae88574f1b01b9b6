// Package broker is a Kafka broker for one machine: franz-go's kfake, which speaks
// the whole protocol and keeps its log on disk, behind the guards it lacks. A
// listener refuses what is no Kafka request (door.go, frame.go), a request that makes
// kfake panic ends its connection only (loop.go), others are mended or refused before
// kfake acts on them (screen.go), an answer waits until its records are on disk
// (flush.go), a janitor bounds the disk without ever deleting an unread record
// (janitor.go, room.go), a warden lets no consumer group wait for the dead
// (warden.go), and a lock keeps a second broker off the data.
//
// It is for development, demonstrations and tests: one node, no replication.
package broker

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"clickstream/internal/process"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	loop    *loop
	door    *door
	addr    string
	janitor *janitor
	warden  *warden
	unlock  func() error
	once    sync.Once
}

// Start opens the data folder, which no other broker may hold, and serves. Records
// that were acknowledged and offsets that were committed before a kill are there
// again.
func Start(c Config) (*Broker, error) {
	c = c.withDefaults()
	if err := checkLoopback(c.Listen); err != nil {
		return nil, err
	}
	unlock, err := process.LockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	b, err := start(c)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	b.unlock = unlock
	return b, nil
}

func start(c Config) (*Broker, error) {
	if err := makePrivate(c.Dir); err != nil {
		return nil, fmt.Errorf("broker data in %q: %w", c.Dir, err)
	}
	ln, err := listen(c.Listen)
	if err != nil {
		return nil, err
	}
	lobby := &lobby{}
	door := guard(ln, lobby, c.Idle, c.Log)
	cluster, err := open(c, door)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("broker data in %q: %w", c.Dir, err)
	}
	b := &Broker{cluster: cluster, door: door, addr: ln.Addr().String()}
	b.janitor, err = newJanitor(c, b)
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("broker janitor: %w", err)
	}
	b.warden, err = newWarden(c, b, lobby)
	if err != nil {
		b.janitor.client.Close()
		cluster.Close()
		return nil, fmt.Errorf("broker warden: %w", err)
	}
	b.loop = supervise(cluster, c.Log, func(req kmsg.Request) {
		door.end(req)
		b.warden.disbandAll()
	})
	screen(cluster, c.Dir, b.loop.took)
	door.room = newRoom(c.Dir, cluster, newSparse(c.Log))
	if !c.NoFlush {
		door.disk = newFlusher(c.Dir, newSparse(c.Log))
	}
	door.open()
	b.janitor.start()
	b.warden.start()
	return b, nil
}

func open(c Config, ln net.Listener) (*kfake.Cluster, error) {
	if err := bridgeKill(c.Dir); err != nil {
		return nil, err
	}
	cluster, err := kfake.NewCluster(options(c, ln)...)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(c.Dir, staleAfterStart)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		cluster.Close()
		return nil, err
	}
	return cluster, nil
}

// makePrivate keeps other users of the machine off what is in the folder. What kfake
// makes later it would let everyone read, but for the folders around it.
func makePrivate(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		switch {
		case d.IsDir():
			mode = 0o700
		case !d.Type().IsRegular():
			return nil
		}
		return os.Chmod(path, mode)
	})
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

// Addr returns the address the broker serves on, host:port.
func (b *Broker) Addr() string { return b.addr }

// Close stops serving and writes snapshots, so that the next start is quick and
// remembers which records an idempotent producer has sent. It may be called twice.
func (b *Broker) Close() error {
	var err error
	b.once.Do(func() {
		b.janitor.close() // first: they would wait for ever on a closed cluster
		b.warden.close()
		b.cluster.Close()
		<-b.loop.done
		if b.door.disk != nil {
			b.door.disk.close()
		}
		err = b.unlock()
	})
	return err
}

func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: want host:port such as "+defaultListen, addr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %q: want a loopback address such as 127.0.0.1: this broker has no encryption and no passwords, "+
		"use Apache Kafka to serve other machines", addr)
}

func listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by %s: stop it, or choose another with --listen", addr, process.PortHolder(addr))
	}
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", addr, err)
	}
	return ln, nil
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/topic"
)

// groupConfig is how a member behaves towards its group.
type groupConfig struct {
	name      string
	server    bool // KIP-848: the broker assigns the partitions
	instance  string
	session   time.Duration
	heartbeat time.Duration
	rebalance time.Duration
	drain     time.Duration
}

// expiry is how long the broker waits for this member; 0 if that is the broker's setting.
func (c *groupConfig) expiry() time.Duration {
	if c.server {
		return 0
	}
	return c.session
}

func groupFields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewStringEnumField("group_protocol", "classic", "consumer").Default("classic").Advanced().
			Description("`consumer` is KIP-848, where the broker assigns the partitions: use it with Kafka 4.3 or later. Its session timeout and heartbeat interval are then the broker's settings."),
		service.NewStringField("instance_id").Default("").Advanced().
			Description("A name that this member keeps across restarts (static membership): a member that comes back within session_timeout gets its partitions back without a rebalance, and until then nobody else reads them."),
		durationField("session_timeout", "9s").Advanced().
			Description("A member that the broker has not heard of for so long loses its partitions: the pause after a crash. At least three heartbeats."),
		durationField("heartbeat_interval", "1s").Advanced().
			Description("How often to tell the broker that this member lives; also how soon a member learns of a rebalance."),
		durationField("rebalance_timeout", "20s").Advanced().
			Description("How long the members may take to give up their partitions in a rebalance."),
		durationField("drain_timeout", "10s").Advanced().
			Description("How long to wait, when partitions are taken away, for the output to acknowledge what it has of them; the rest is read again by the next owner. Less than rebalance_timeout."),
	}
}

// timesRule checks what must hold between the times.
const timesRule = `root = match {
  this.session_timeout.or("9s").parse_duration().catch(0) < 3 * this.heartbeat_interval.or("1s").parse_duration().catch(0) => ["session_timeout: want at least 3 x heartbeat_interval"],
  this.drain_timeout.or("10s").parse_duration().catch(0) >= this.rebalance_timeout.or("20s").parse_duration().catch(1) => ["drain_timeout: want less than rebalance_timeout"],
}`

func parseGroup(pc *service.ParsedConfig) (groupConfig, error) {
	var c groupConfig
	var err error
	if c.name, err = pc.FieldString("group"); err != nil {
		return c, err
	}
	if c.name == "" {
		return c, errors.New("group: want a name, got none")
	}
	if c.instance, err = pc.FieldString("instance_id"); err != nil {
		return c, err
	}
	protocol, err := pc.FieldString("group_protocol")
	if err != nil {
		return c, err
	}
	c.server = protocol == "consumer"
	if err = errors.Join(
		duration(pc, "session_timeout", &c.session),
		duration(pc, "heartbeat_interval", &c.heartbeat),
		duration(pc, "rebalance_timeout", &c.rebalance),
		duration(pc, "drain_timeout", &c.drain),
	); err != nil {
		return c, err
	}
	if c.session < 3*c.heartbeat {
		return c, fmt.Errorf("session_timeout: want at least 3 x heartbeat_interval (%s), got %s", 3*c.heartbeat, c.session)
	}
	if c.drain >= c.rebalance {
		return c, fmt.Errorf("drain_timeout: want less than rebalance_timeout (%s), got %s", c.rebalance, c.drain)
	}
	return c, nil
}

// options are franz-go's for reading as a member of the group. The callbacks wait
// for ready: they may come before the session is complete.
func (s *session) options(ready <-chan struct{}) []kgo.Opt {
	c := s.config
	start := kgo.NewOffset().AtStart()
	if c.latest {
		start = kgo.NewOffset().AtEnd()
	}
	after := func(f func(map[string][]int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, which map[string][]int32) {
			<-ready
			f(which)
		}
	}
	opts := []kgo.Opt{
		kgo.ConsumeTopics(c.topic),
		kgo.ConsumerGroup(c.group.name),
		kgo.DisableAutoCommit(),
		kgo.OnOffsetsFetched(s.fetched),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, starts offsetMap) (offsetMap, error) {
			<-ready
			return starts, s.assigned(ctx, starts[c.topic])
		}),
		kgo.OnPartitionsRevoked(after(s.revoked)),
		kgo.OnPartitionsLost(after(s.lost)),
		kgo.SessionTimeout(c.group.session),
		kgo.HeartbeatInterval(c.group.heartbeat),
		kgo.RebalanceTimeout(c.group.rebalance),
		kgo.ConsumeStartOffset(start),
		// Where to go when the position is not in the log any more: never past records
		// that still exist. franz-go's default would rewind by a minute.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMinBytes(c.fetchMinBytes),
		kgo.FetchMaxWait(c.fetchMaxWait),
		kgo.FetchMaxBytes(c.fetchBytes),
		kgo.FetchMaxPartitionBytes(c.partitionBytes),
		kgo.BrokerMaxReadBytes(max(64<<20, 2*c.fetchBytes)),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // see wanted
	}
	if s.packs() {
		lent := &topic.Pools{}
		opts = append(opts, kgo.WithPools(lent), kgo.WithDecompressor(topic.NewDecompressor(lent)))
	}
	if c.group.server {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if c.group.instance != "" {
		opts = append(opts, kgo.InstanceID(c.group.instance))
	}
	return opts
}

// groupErrors reports why the membership was lost. Joining again is franz-go's job.
type groupErrors struct{ *session }

// OnGroupManageError implements kgo.HookGroupManageError.
func (g groupErrors) OnGroupManageError(err error) {
	if g.log.quiet.Load() { // the watch has said that no broker answers
		return
	}
	why, fatal := g.explain(err)
	if fatal {
		g.refused(why)
	}
	g.log.Warn("lost the consumer group, joining again", "group", g.config.group.name, "error", why)
}

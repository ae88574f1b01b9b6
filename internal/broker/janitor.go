package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// janitor bounds the data folder: it deletes what every group has read, and when
// that is not enough it refuses new records. Unread records it never deletes.
type janitor struct {
	config  Config
	cluster *kfake.Cluster
	client  *kgo.Client // of our own broker: kfake lists its groups to clients only
	full    map[string]*kfake.FaultHandle
	warn    *sparse
	stop    context.CancelFunc
	done    chan struct{}
}

// everyTopic is the key of janitor.full for a refusal that holds for all topics.
const everyTopic = ""

func newJanitor(c Config, b *Broker) (*janitor, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.ClientID("clickstream-broker-janitor"))
	if err != nil {
		return nil, err
	}
	return &janitor{
		config: c, cluster: b.cluster, client: client, full: map[string]*kfake.FaultHandle{},
		warn: newSparse(c.Log), done: make(chan struct{}),
	}, nil
}

// start sweeps until close.
func (j *janitor) start() {
	ctx, cancel := context.WithCancel(context.Background())
	j.stop = cancel
	go j.run(ctx)
}

func (j *janitor) run(ctx context.Context) {
	defer close(j.done)
	defer j.client.Close()
	tick := time.NewTicker(j.config.Sweep)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := j.sweep(ctx); err != nil && ctx.Err() == nil {
			j.warn.warn("broker clean-up skipped", "cause", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (j *janitor) close() {
	j.stop()
	<-j.done
}

// sweep measures, deletes what may go, and opens or shuts the door.
func (j *janitor) sweep(ctx context.Context) error {
	u, err := readUsage(j.config.Dir)
	if err != nil {
		return fmt.Errorf("data folder size: %w", err)
	}
	if !j.worthwhile(u) {
		j.refuse(nil)
		return nil
	}
	groups, err := j.groups(ctx)
	if err != nil {
		return fmt.Errorf("consumer groups: %w", err)
	}
	cuts := plan(u.partitions, groups, j.keep(u))
	for _, c := range cuts {
		if err := j.cluster.DeleteRecords(c.topic, c.number, c.offset); err != nil {
			return fmt.Errorf("delete records of %s/%d before %d: %w", c.topic, c.number, c.offset, err)
		}
	}
	if len(cuts) > 0 {
		if u, err = readUsage(j.config.Dir); err != nil {
			return fmt.Errorf("data folder size: %w", err)
		}
	}
	j.guardCap(u, groups)
	return nil
}

// worthwhile reports whether the groups need asking: something is above what is
// kept for replays, or the cap is near.
func (j *janitor) worthwhile(u usage) bool {
	return u.bytes > min(j.config.Keep, j.config.DiskCap/2) || u.batches > min(j.config.KeepBatches, j.config.BatchCap/2)
}

// keep returns what may stay for replays: nothing once nine tenths of a cap are
// used, since new records matter more than old ones.
func (j *janitor) keep(u usage) limits {
	if u.bytes >= j.config.DiskCap/10*9 || u.batches >= j.config.BatchCap/10*9 {
		return limits{}
	}
	return limits{j.config.Keep, j.config.KeepBatches}
}

// guardCap refuses records of the topics that have readers once a cap is reached,
// and all others a tenth above it: a consumer must still be able to write its dead
// letters, or it would never free the space that its lag takes.
func (j *janitor) guardCap(u usage, groups map[string]commits) {
	over := func(percent int64) bool {
		return u.bytes >= j.config.DiskCap/100*percent || u.batches >= j.config.BatchCap/100*percent
	}
	var topics []string
	switch {
	case over(110):
		topics = []string{everyTopic}
	case over(100):
		read := map[string]bool{}
		for _, g := range groups {
			for topic := range g {
				read[topic] = true
			}
		}
		topics = slices.Sorted(maps.Keys(read))
	}
	j.refuse(topics)
	if len(topics) > 0 {
		j.warn.warn("broker full: records are refused until readers catch up, restart with a larger --disk-cap or delete a group that no longer reads",
			"bytes", u.bytes, "disk_cap", j.config.DiskCap, "batches", u.batches, "batch_cap", j.config.BatchCap,
			"groups", slices.Sorted(maps.Keys(groups)))
	}
}

// refuse makes exactly these topics answer KAFKA_STORAGE_ERROR, which clients
// retry: a producer waits, and goes on by itself once there is room.
func (j *janitor) refuse(topics []string) {
	for topic, fault := range j.full {
		if !slices.Contains(topics, topic) {
			fault.Remove()
			delete(j.full, topic)
		}
	}
	for _, topic := range topics {
		if j.full[topic] == nil {
			j.full[topic] = j.cluster.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.KafkaStorageError, Count: -1,
			})
		}
	}
}

// groups returns how far each group has read. A share group keeps its progress
// where kfake shows it to nobody, so one is an error: nothing is deleted then.
func (j *janitor) groups(ctx context.Context) (map[string]commits, error) {
	listed, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, j.client)
	if err == nil {
		err = kerr.ErrorForCode(listed.ErrorCode)
	}
	if err != nil {
		return nil, err
	}
	groups := map[string]commits{}
	for _, g := range listed.Groups {
		if g.GroupType == "share" {
			return nil, fmt.Errorf("group %q: the progress of a share group is unknown", g.Group)
		}
		if info := j.cluster.GroupInfo(g.Group); info != nil { // nil: gone since
			groups[g.Group] = commitsOf(info)
		}
	}
	return groups, nil
}

func commitsOf(info *kfake.GroupInfo) commits {
	read := commits{}
	for topic, partitions := range info.Commits {
		read[topic] = map[int32]int64{}
		for number, c := range partitions {
			read[topic][number] = c.Offset
		}
	}
	for _, m := range info.Members {
		for _, topic := range slices.AppendSeq(m.SubscribedTopics, maps.Keys(m.Assignment)) {
			if read[topic] == nil {
				read[topic] = map[int32]int64{}
			}
		}
	}
	return read
}

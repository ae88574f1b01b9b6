package deadletters

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// idPrefix begins the transactional ids of all replays.
const idPrefix = "clickstream-dlq-"

// writer is a producer and the epoch of one of its transactions.
type writer struct {
	id    int64
	epoch int16
}

// endForgotten ends the transactions of replays that Kafka takes for ended and that are
// open in some partition all the same: a lone Apache Kafka that is killed within
// milliseconds of a commit can leave one. Its coordinator will never end it, and readers
// of committed records wait at it for ever. A transaction ends the same way everywhere:
// as it did where it has ended.
func (r *Replay) endForgotten(ctx context.Context) error {
	open, err := r.open(ctx)
	if err != nil || len(open) == 0 {
		return nil // or nobody may say: the wait for it explains
	}
	forgotten, err := r.forgotten(ctx, open)
	if err != nil || len(forgotten) == 0 {
		return nil //nolint:nilerr // as above
	}
	// The coordinator was asked later than the partitions: what is still open is not
	// one that was ending just then.
	if open, err = r.open(ctx); err != nil {
		return nil //nolint:nilerr // as above
	}
	byWriter := map[writer][]kadm.DescribedProducer{}
	for _, p := range open {
		if slices.Contains(forgotten, p) {
			w := writer{p.ProducerID, p.ProducerEpoch}
			byWriter[w] = append(byWriter[w], p)
		}
	}
	for w, parts := range byWriter {
		commit, err := r.fate(ctx, w, parts)
		if err != nil {
			return err
		}
		if err := r.finish(ctx, w, parts, commit); err != nil {
			return err
		}
	}
	return nil
}

// open returns the transactions that are open in the topics that replays write to.
func (r *Replay) open(ctx context.Context) (open []kadm.DescribedProducer, err error) {
	var where kadm.TopicsSet
	where.Add(MarksTopic(r.Letters)) // all of its partitions
	if r.Topic != "" {
		where.Add(r.Topic)
	}
	described, err := kadm.NewClient(r.Client).DescribeProducers(ctx, where)
	for _, p := range described.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 {
			open = append(open, p)
		}
	}
	return open, err
}

// openTransactions names those of the topic of marks in words, for the one who has to look
// for them at the broker.
func (r *Replay) openTransactions(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, abortTime)
	defer cancel()
	open, _ := r.open(ctx)
	var names []string
	for _, p := range open {
		if p.Topic == MarksTopic(r.Letters) {
			names = append(names, fmt.Sprintf("the transaction of producer id %d that begins at offset %d", p.ProducerID, p.CurrentTxnStartOffset))
		}
	}
	if len(names) == 0 { // or nobody may say
		return "a transaction of another replay"
	}
	return strings.Join(names, ", ")
}

// forgotten returns those of replays whose coordinator has nothing left to do for them.
// Only replays write to the topic of marks: there a producer that no coordinator knows
// any more was one of them.
func (r *Replay) forgotten(ctx context.Context, open []kadm.DescribedProducer) (forgotten []kadm.DescribedProducer, err error) {
	admin := kadm.NewClient(r.Client)
	ids := make([]int64, len(open))
	for i, p := range open {
		ids[i] = p.ProducerID
	}
	listed, err := admin.ListTransactions(ctx, ids, nil)
	if err != nil {
		return nil, err
	}
	over := map[int64]bool{}
	for _, t := range listed {
		over[t.ProducerID] = false
		if !strings.HasPrefix(t.TxnID, idPrefix) {
			continue
		}
		described, err := admin.DescribeTransactions(ctx, t.TxnID)
		if err != nil {
			return nil, err
		}
		switch d := described[t.TxnID]; d.State {
		case "Empty", "CompleteCommit", "CompleteAbort", "Dead":
			over[t.ProducerID] = d.Err == nil
		}
	}
	for _, p := range open {
		if done, known := over[p.ProducerID]; done || !known && p.Topic == MarksTopic(r.Letters) {
			forgotten = append(forgotten, p)
		}
	}
	return forgotten, nil
}

// fate tells how a transaction ended that is open in these partitions. The marks in it
// name the records that were sent; how it ended there is how it ends here. Without
// records, marks are those of a drop: it was wanted, and saying so twice is no harm.
func (r *Replay) fate(ctx context.Context, w writer, parts []kadm.DescribedProducer) (commit bool, err error) {
	var sent []Origin
	marks := false
	for _, p := range parts {
		if p.Topic != MarksTopic(r.Letters) {
			continue
		}
		marks = true
		err := r.rawFrom(ctx, p.Topic, p.Partition, p.CurrentTxnStartOffset, func(record *kgo.Record) bool {
			var v mark
			if !record.Attrs.IsControl() && record.ProducerID == w.id && json.Unmarshal(record.Value, &v) == nil && v.As != "" {
				if as, err := ParseOrigin(v.As); err == nil {
					sent = append(sent, as)
				}
			}
			return true
		})
		if err != nil {
			return false, err
		}
	}
	if !marks {
		return r.marked(ctx, parts)
	}
	for _, as := range sent {
		if slices.ContainsFunc(parts, func(p kadm.DescribedProducer) bool { return p.Topic == as.Topic && p.Partition == as.Partition }) {
			continue // not ended there either
		}
		return r.endedAt(ctx, w, as)
	}
	return len(sent) == 0, nil
}

// endedAt reports whether the transaction that wrote a record was committed.
func (r *Replay) endedAt(ctx context.Context, w writer, as Origin) (commit bool, err error) {
	err = r.rawFrom(ctx, as.Topic, as.Partition, as.Offset, func(record *kgo.Record) bool {
		if !record.Attrs.IsControl() || record.ProducerID != w.id {
			return true
		}
		// A control record's key: its version and its type, where 1 is a commit.
		commit = len(record.Key) >= 4 && binary.BigEndian.Uint16(record.Key[2:]) == 1
		return false
	})
	return commit, err
}

// marked reports whether the marks of the records at which these begin are there.
func (r *Replay) marked(ctx context.Context, parts []kadm.DescribedProducer) (bool, error) {
	m, err := readMarks(ctx, r.Client, MarksTopic(r.Letters))
	if err != nil {
		return false, err
	}
	for _, p := range parts {
		if _, ok := m.replays[Origin{Topic: p.Topic, Partition: p.Partition, Offset: p.CurrentTxnStartOffset}]; ok {
			return true, nil
		}
	}
	return false, nil
}

// rawFrom reads all that a partition holds, from an offset on, until f returns false.
func (r *Replay) rawFrom(ctx context.Context, topic string, partition int32, offset int64, f func(*kgo.Record) bool) error {
	log := &topicLog{client: r.Client, admin: kadm.NewClient(r.Client), name: topic, raw: true}
	if err := log.refresh(ctx); err != nil {
		return err
	}
	ends, err := listed(log.admin.ListEndOffsets(ctx, topic))
	if err != nil {
		return log.explain("end", err)
	}
	end, _ := ends.Lookup(topic, partition)
	for offset < end.Offset {
		records, next, err := log.fetch(ctx, partition, offset)
		if err != nil {
			return err
		}
		for _, record := range records {
			if !f(record) {
				return nil
			}
		}
		offset = next
	}
	return nil
}

// finish writes the end of a transaction where it is missing.
func (r *Replay) finish(ctx context.Context, w writer, parts []kadm.DescribedProducer, commit bool) error {
	end := kadm.TxnMarkers{ProducerID: w.id, ProducerEpoch: w.epoch, Commit: commit}
	for _, p := range parts {
		end.Topics.Add(p.Topic, p.Partition)
		end.CoordinatorEpoch = max(end.CoordinatorEpoch, p.CoordinatorEpoch)
	}
	done, err := kadm.NewClient(r.Client).WriteTxnMarkers(ctx, end)
	for _, byTopic := range done {
		for _, t := range byTopic.Topics {
			for _, p := range t.Partitions {
				err = errors.Join(err, p.Err)
			}
		}
	}
	how := map[bool]string{true: "committed", false: "aborted"}[commit]
	where := fmt.Sprintf("producer id %d epoch %d", w.id, w.epoch)
	for _, p := range parts {
		where += fmt.Sprintf(", partition %d of topic %s from offset %d on", p.Partition, p.Topic, p.CurrentTxnStartOffset)
	}
	if err != nil {
		next := "try again, and see \"a transaction that hangs\" in docs/guarantees.md"
		if errors.Is(err, kerr.ClusterAuthorizationFailed) {
			next = "allow the user CLUSTER_ACTION on the cluster, or end it with kafka-transactions.sh abort"
		}
		return fmt.Errorf("kafka: a transaction of an earlier replay hangs (%s), and to have it %s failed: %w; %s", where, how, err, next)
	}
	r.Say(fmt.Sprintf("%s a transaction of an earlier replay that Kafka had left open (%s)", how, where))
	return nil
}

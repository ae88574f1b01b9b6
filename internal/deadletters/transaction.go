package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// item is a letter with its bytes.
type item struct {
	entry      *Entry
	key, value []byte
}

// transact sends a batch in one transaction, less what the topic finds too large: of
// that it returns the number.
func (r *Replay) transact(ctx context.Context, batch []item) (large int, err error) {
	if ctx.Err() != nil {
		return 0, ErrStopped
	}
	// A transaction that has begun is finished: it is short, and nobody waits longer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	for len(batch) > 0 {
		rest, err := r.attempt(ctx, batch)
		if err != nil {
			return large, explainTransaction(err)
		}
		if len(rest) == len(batch) {
			return large, nil
		}
		large += len(batch) - len(rest)
		batch = rest
	}
	return large, nil
}

// attempt is one transaction: the letters, then their marks, which name the records.
// If some letters are too large it is none, and rest are the others.
func (r *Replay) attempt(ctx context.Context, batch []item) (rest []item, err error) {
	r.Link.broken.Store(false)
	if err := r.Client.BeginTransaction(); err != nil {
		return nil, err
	}
	records := r.records(batch)
	rest, err = fitting(batch, records, r.Client.ProduceSync(ctx, records...))
	if err == nil && len(rest) == len(batch) {
		err = r.mark(ctx, batch, records)
	}
	if err == nil && len(rest) == len(batch) {
		return rest, r.commit(ctx)
	}
	return rest, errors.Join(err, r.abort(ctx))
}

// errLost says that a connection ended in mid transaction. The embedded broker, killed
// and started again, has ended the transaction and yet confirms its commit: only the
// marks tell then.
var errLost = errors.New("the connection was lost, and whether the last letters were sent is in the marks only")

// commit ends the transaction, unless a broker may have ended it already: then parts of
// it would be another one.
func (r *Replay) commit(ctx context.Context) error {
	if r.Link.broken.Load() {
		return errors.Join(errLost, r.abort(ctx))
	}
	err := r.Client.EndTransaction(ctx, kgo.TryCommit)
	if err == nil && r.Link.broken.Load() {
		err = errLost
	}
	return err
}

func (r *Replay) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, abortTime)
	defer cancel()
	return r.Client.EndTransaction(ctx, kgo.TryAbort)
}

// fitting returns the letters that the topic does not find too large.
func fitting(batch []item, records []*kgo.Record, results kgo.ProduceResults) (rest []item, err error) {
	large := map[*kgo.Record]bool{}
	for _, result := range results { // in any order
		switch {
		case errors.Is(result.Err, kerr.MessageTooLarge):
			large[result.Record] = true
		case result.Err != nil && err == nil:
			err = result.Err
		}
	}
	for i := range batch {
		if !large[records[i]] {
			rest = append(rest, batch[i])
		}
	}
	return rest, err
}

// mark writes the marks of letters that were sent as records.
func (r *Replay) mark(ctx context.Context, batch []item, records []*kgo.Record) error {
	marks := make([]*kgo.Record, len(batch))
	for i, b := range batch {
		var err error
		if marks[i], err = markOf(MarksTopic(r.Letters), b.entry, records[i]); err != nil {
			return err
		}
	}
	return r.Client.ProduceSync(ctx, marks...).FirstErr()
}

// records are the letters as they came, with a header that keeps the origin.
func (r *Replay) records(batch []item) []*kgo.Record {
	records := make([]*kgo.Record, len(batch))
	now := time.Now().Truncate(time.Millisecond)
	for i, b := range batch {
		records[i] = &kgo.Record{
			Topic: r.Topic, Key: b.key, Value: b.value, Timestamp: now,
			Headers: []kgo.RecordHeader{{Key: OriginHeader, Value: []byte(b.entry.Root.String())}},
		}
	}
	return records
}

// markOf says that a letter was sent as record.
func markOf(topic string, e *Entry, record *kgo.Record) (*kgo.Record, error) {
	as := Origin{record.Topic, record.Partition, record.Offset, record.Timestamp.UnixMilli()}
	value, err := json.Marshal(mark{
		State: Replayed, At: time.Now().UTC().Truncate(time.Millisecond),
		As: as.String(), Root: e.Root.String(), Attempt: e.Attempt + 1,
	})
	return &kgo.Record{Topic: topic, Key: []byte(e.Origin.String()), Value: value}, err
}

// explainTransaction adds the next step where a person can help.
func explainTransaction(err error) error {
	next := "; run it again: what was sent is not sent twice"
	switch {
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch), errors.Is(err, kerr.InvalidTxnState):
		next = "; another `dlq replay` or `dlq drop` has taken over, or the broker was restarted: run it again, what was sent is not sent twice"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		next = "; grant the user WRITE on the topics of events and of marks"
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		next = "; check --topic, or create it with `clickstream init`"
	}
	return fmt.Errorf("kafka: transaction: %w%s", err, next)
}

// topicThere fails where the topic to send to is not: a client would wait for it.
func (r *Replay) topicThere(ctx context.Context) error {
	m, err := kadm.NewClient(r.Client).Metadata(ctx, r.Topic)
	if err == nil {
		err = m.Topics[r.Topic].Err
	}
	if err != nil {
		return fmt.Errorf("kafka: topic %q: %w; check --topic, or create it with `clickstream init`", r.Topic, err)
	}
	return nil
}

// learnLimit asks how large a batch of records the topic takes. A broker that does not
// say leaves the default.
func (r *Replay) learnLimit(ctx context.Context) {
	configs, err := kadm.NewClient(r.Client).DescribeTopicConfigs(ctx, r.Topic)
	if err != nil {
		return
	}
	topic, err := configs.On(r.Topic, nil)
	if err != nil {
		return
	}
	for _, c := range topic.Configs {
		var n int32
		if c.Key != "max.message.bytes" || c.Value == nil {
			continue
		}
		if _, err := fmt.Sscan(*c.Value, &n); err == nil && n > 0 {
			r.Link.bytes.Store(min(n, maxLimit))
		}
	}
}

// maxLimit keeps a request within what brokers accept (socket.request.max.bytes).
const maxLimit = 32 << 20

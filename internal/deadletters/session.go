package deadletters

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessionPrefix begins the key of a record that is no mark: it tells of a replay under
// way and names its transactional id. One that ended in order deletes it.
const sessionPrefix = "session/"

// takeOverTime is how long ending others may take: longer than their transactions.
const takeOverTime = 3 * transactionTimeout

// takeOver makes this the only replay there is, and reads what others did. The order is
// what makes a replay exact.
//
// Each replay has a transactional id of its own, not one for all: the embedded broker
// ends the transactions of a kill without a record of it in the log, after which
// consumers would overlook all that follows under the same producer id.
func (r *Replay) takeOver(ctx context.Context) (*Book, error) {
	if err := ensureMarks(ctx, r.Client, MarksTopic(r.Letters), r.Say); err != nil {
		return nil, err
	}
	session := &kgo.Record{Key: []byte(sessionPrefix + r.Link.id), Value: []byte(`{}`)}
	if err := r.write(ctx, session); err != nil {
		return nil, explainTransaction(err)
	}
	m, err := r.endOthers(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.endForgotten(ctx); err != nil { // in the topic of events: consumers wait at it
		return nil, err
	}
	return read(ctx, r.Client, r.Letters, m)
}

// endOthers ends the replays that registered before this one, and returns the marks as
// they are then. Those that register later end this one, whose transactions fail.
func (r *Replay) endOthers(ctx context.Context) (*marks, error) {
	ctx, cancel := context.WithTimeout(ctx, takeOverTime)
	defer cancel()
	var ended []*kgo.Record
	for done := map[string]bool{r.Link.id: true}; ; {
		m, err := readMarks(ctx, r.Client, MarksTopic(r.Letters))
		if err != nil {
			return nil, err
		}
		before := len(done)
		for id := range m.sessions {
			if done[id] {
				continue
			}
			if err := r.end(ctx, id); err != nil {
				return nil, err
			}
			done[id] = true
			ended = append(ended, &kgo.Record{Key: []byte(sessionPrefix + id)})
		}
		switch {
		case len(done) > before:
		case m.sessions[r.Link.id]: // all that registered before are in sight, and ended
			if len(ended) == 0 {
				return m, nil
			}
			if err := r.write(ctx, ended...); err != nil {
				return nil, explainTransaction(err)
			}
			return m, nil
		default: // behind a transaction that is open
			if err := r.endForgotten(ctx); err != nil {
				return nil, err
			}
			if err := pause(ctx, 100*time.Millisecond); err != nil {
				return nil, fmt.Errorf("kafka: topic %q: %s stays open: %w; try again, and see \"a transaction that hangs\" in docs/guarantees.md if it is still there then",
					MarksTopic(r.Letters), r.openTransactions(context.WithoutCancel(ctx)), err)
			}
		}
	}
}

// end has the broker end the transaction of an id, and refuse what its owner sends from
// now on.
func (r *Replay) end(ctx context.Context, id string) error {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.TransactionalID, request.TransactionTimeoutMillis = &id, int32(transactionTimeout.Milliseconds())
	for {
		response, err := request.RequestWith(ctx, r.Client)
		if err == nil {
			err = kerr.ErrorForCode(response.ErrorCode)
		}
		if errors.Is(err, kerr.ConcurrentTransactions) { // it is being ended
			err = pause(ctx, 50*time.Millisecond)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("kafka: end the replay %s: %w; the user needs WRITE and DESCRIBE on transactional ids that begin with clickstream-dlq-", id, err)
		}
		return nil
	}
}

// leave takes this replay from the list. That it fails is no harm: the next one does.
func (r *Replay) leave(ctx context.Context) {
	_ = r.write(context.WithoutCancel(ctx), &kgo.Record{Key: []byte(sessionPrefix + r.Link.id)})
}

// write puts records into the topic of marks, in a transaction.
func (r *Replay) write(ctx context.Context, records ...*kgo.Record) error {
	ctx, cancel := context.WithTimeout(ctx, transactionTimeout)
	defer cancel()
	r.Link.broken.Store(false)
	if err := r.Client.BeginTransaction(); err != nil {
		return err
	}
	for _, record := range records {
		record.Topic = MarksTopic(r.Letters)
	}
	if err := r.Client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return errors.Join(err, r.abort(ctx))
	}
	return r.commit(ctx)
}

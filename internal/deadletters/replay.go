package deadletters

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// OriginHeader is the header of a replayed record: the origin of its first letter.
const OriginHeader = "clickstream-replay-of"

const (
	// transactionTimeout is when a broker ends the transaction of a replay that was
	// killed. Until then consumers wait at it, so it is short; a transaction takes some
	// 10 ms.
	transactionTimeout = 10 * time.Second
	// transactionBytes bounds one transaction beside the number of its letters.
	transactionBytes = 4 << 20
	// abortTime is how long the end of a transaction that failed may take. The broker
	// ends it anyway.
	abortTime = 2 * time.Second
	// defaultLimit is Kafka's default for max.message.bytes.
	defaultLimit = 1_000_012
)

// ErrStopped says that a replay was told to stop before it was through.
var ErrStopped = errors.New("stopped; run it again for the rest")

// Link is what a client and its Replay tell each other.
type Link struct {
	id     string       // transactional
	bytes  atomic.Int32 // a batch of records may have; Run learns it from the topic
	broken atomic.Bool  // a connection ended since the transaction began
}

var (
	_ kgo.HookBrokerE2E        = (*Link)(nil)
	_ kgo.HookBrokerDisconnect = (*Link)(nil)
)

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (l *Link) OnBrokerE2E(_ kgo.BrokerMetadata, _ int16, e kgo.BrokerE2E) {
	if e.Err() != nil {
		l.broken.Store(true)
	}
}

// OnBrokerDisconnect implements kgo.HookBrokerDisconnect.
func (l *Link) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { l.broken.Store(true) }

// ProducerOptions are those of a client that replays or drops.
func ProducerOptions(letters string, link *Link) []kgo.Opt {
	link.id = idPrefix + letters + "-" + rand.Text()
	link.bytes.Store(defaultLimit)
	return []kgo.Opt{
		kgo.ProducerBatchMaxBytesFn(func(string) int32 { return link.bytes.Load() }),
		kgo.WithHooks(link),
		kgo.TransactionalID(link.id),
		kgo.TransactionTimeout(transactionTimeout),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// As the pipelines' output: a user's events stay in one partition.
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(64<<10, true, true, nil)),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	}
}

// Replay sends letters through the pipeline again, or drops them.
type Replay struct {
	// Client has ProducerOptions, and Link is theirs.
	Client *kgo.Client
	Link   *Link
	// Letters is the topic of dead letters, Topic the one to send to: only letters of
	// records of this topic are sent.
	Letters, Topic string
	Filter         Filter
	// Batch is how many letters go into one transaction.
	Batch int
	// Progress is called when letters were handled.
	Progress func(done, total int)
	// Say takes a line of text for people.
	Say func(string)
}

// Sums are what a replay or drop did.
type Sums struct {
	// Handled letters were sent, or dropped; Left ones were chosen and are still open.
	Handled, Left int
	// ByReason counts what was chosen.
	ByReason map[string]int
	// Skipped counts letters that were chosen and cannot be sent, by why.
	Skipped map[string]int
}

// Why a letter is skipped.
const (
	skipStranger  = "no letter of ours"
	skipTruncated = "truncated: the end of the record is missing"
	skipTopic     = "record of another topic"
	skipLarge     = "too large for the topic"
)

// Plan returns what Run would send, and what it would skip.
func (r *Replay) Plan(b *Book) (chosen []*Entry, sums Sums) {
	sums = Sums{ByReason: map[string]int{}, Skipped: map[string]int{}}
	limit := r.Filter
	limit.Limit = 0
	for _, e := range b.Choose(limit, Open) {
		if why := r.skip(e); why != "" {
			sums.Skipped[why]++
			continue
		}
		if r.Filter.Limit > 0 && len(chosen) == r.Filter.Limit {
			break
		}
		chosen = append(chosen, e)
		sums.ByReason[e.ReasonName()]++
	}
	sums.Left = len(chosen)
	return chosen, sums
}

func (r *Replay) skip(e *Entry) string {
	switch {
	case e.Stranger != "":
		return skipStranger
	case e.Whole > 0:
		return skipTruncated
	case e.Origin.Topic != r.Topic:
		return skipTopic
	}
	return ""
}

// Run sends every chosen letter that has not been sent yet. Told to stop, it finishes
// the transaction under way and returns ErrStopped.
func (r *Replay) Run(ctx context.Context) (Sums, error) {
	book, err := r.takeOver(ctx)
	if err != nil {
		return Sums{}, err
	}
	defer r.leave(ctx)
	if err := r.topicThere(ctx); err != nil {
		return Sums{}, err
	}
	r.learnLimit(ctx)
	chosen, sums := r.Plan(book)
	total := len(chosen)
	var batch []item
	size := 0
	send := func() error {
		large, err := r.transact(ctx, batch)
		if err != nil {
			return err
		}
		sums.Handled += len(batch) - large
		sums.Left -= len(batch)
		if large > 0 {
			sums.Skipped[skipLarge] += large
		}
		batch, size = batch[:0], 0
		r.Progress(total-sums.Left, total)
		return nil
	}
	err = book.eachOf(ctx, chosen, func(e *Entry, record *kgo.Record) error {
		if size+len(record.Value) > transactionBytes && len(batch) > 0 || len(batch) == r.Batch {
			if err := send(); err != nil {
				return err
			}
		}
		batch, size = append(batch, item{entry: e, key: record.Key, value: record.Value}), size+len(record.Value)
		return nil
	})
	if err == nil && len(batch) > 0 {
		err = send()
	}
	if err == nil || ctx.Err() == nil {
		return sums, err
	}
	return sums, ErrStopped
}

package deadletters

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Drop marks every chosen letter that is open as dropped: it is not replayed any more,
// and no longer counted as open. The letter and its row stay where they are.
func (r *Replay) Drop(ctx context.Context) (Sums, error) {
	book, err := r.takeOver(ctx)
	if err != nil {
		return Sums{}, err
	}
	defer r.leave(ctx)
	chosen, sums := r.PlanDrop(book)
	total := len(chosen)
	for rest := chosen; len(rest) > 0; {
		if ctx.Err() != nil {
			return sums, ErrStopped
		}
		n := min(len(rest), max(r.Batch, 1))
		if err := r.drop(ctx, rest[:n]); err != nil {
			return sums, explainTransaction(err)
		}
		rest = rest[n:]
		sums.Handled, sums.Left = sums.Handled+n, len(rest)
		r.Progress(sums.Handled, total)
	}
	return sums, nil
}

// PlanDrop returns what Drop would drop.
func (r *Replay) PlanDrop(b *Book) (chosen []*Entry, sums Sums) {
	chosen = b.Choose(r.Filter, Open)
	sums = Sums{ByReason: map[string]int{}, Left: len(chosen)}
	for _, e := range chosen {
		sums.ByReason[e.ReasonName()]++
	}
	return chosen, sums
}

func (r *Replay) drop(ctx context.Context, entries []*Entry) error {
	value, err := json.Marshal(mark{State: Dropped, At: time.Now().UTC().Truncate(time.Millisecond)})
	if err != nil {
		return err
	}
	marks := make([]*kgo.Record, len(entries))
	for i, e := range entries {
		marks[i] = &kgo.Record{Key: []byte(e.Origin.String()), Value: value}
	}
	return r.write(context.WithoutCancel(ctx), marks...)
}

// Purge deletes from the topic of dead letters what lies before the first open letter
// of each partition, whatever the filter, and returns how many offsets that were.
// Kafka deletes from the start of a log only.
func (r *Replay) Purge(ctx context.Context) (deleted int64, err error) {
	book, err := Read(ctx, r.Client, r.Letters)
	if err != nil {
		return 0, err
	}
	below := make([]int64, len(book.log.ranges))
	for i, o := range book.log.ranges {
		below[i] = o.end
	}
	// Every letter counts, not only the last try: an earlier one is replayed by then.
	for _, e := range book.Choose(Filter{}, Open) {
		below[e.Partition] = min(below[e.Partition], e.Offset)
	}
	offsets := kadm.Offsets{}
	for i, o := range book.log.ranges {
		if below[i] > o.start {
			offsets.AddOffset(r.Letters, int32(i), below[i], -1)
			deleted += below[i] - o.start
		}
	}
	if deleted == 0 {
		return 0, nil
	}
	done, err := kadm.NewClient(r.Client).DeleteRecords(ctx, offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("kafka: topic %q: delete records: %w; allow the user DELETE on the topic", r.Letters, err)
	}
	return deleted, nil
}

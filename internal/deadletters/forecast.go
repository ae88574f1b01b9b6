package deadletters

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
)

// Judge says why the pipeline would refuse a record of this value now; nil: it would
// store it.
type Judge func(value []byte) *event.Rejection

// Forecast is what a replay would do, as far as that can be told without one.
type Forecast struct {
	Topic string `json:"topic"`
	// Letters is how many would be sent; Replayed and Dropped are those of the filter
	// that are not open any more.
	Letters  int `json:"letters"`
	Replayed int `json:"replayed"`
	Dropped  int `json:"dropped"`
	// Judged tells whether Stored and Refused are known.
	Judged  bool `json:"judged"`
	Stored  int  `json:"stored"`
	Refused int  `json:"refused"`
	// Groups are the letters that would be sent, Refusals why some would come back.
	Groups   []Expected     `json:"groups"`
	Refusals []Refusal      `json:"refusals,omitempty"`
	ByReason map[string]int `json:"-"`
	Skipped  map[string]int `json:"skipped,omitempty"`
}

// Expected are letters of one reason, field and partition of their first origin.
type Expected struct {
	Reason    string `json:"reason"`
	Field     string `json:"field"`
	Partition int32  `json:"partition"`
	Letters   int    `json:"letters"`
	Stored    int    `json:"stored"`
	Refused   int    `json:"refused"`
}

// Refusal is why letters would be refused again.
type Refusal struct {
	Reason  string `json:"reason"`
	Field   string `json:"field"`
	Letters int    `json:"letters"`
	// First is a letter that is refused so, Message what is wanted of it.
	First   string `json:"first"`
	Message string `json:"message"`
}

// Forecast tells what Run would do with a book, and what would become of it. Without a
// judge it only counts, and does not read the letters.
func (r *Replay) Forecast(ctx context.Context, b *Book, judge Judge) (*Forecast, error) {
	chosen, sums := r.Plan(b)
	all := r.Filter
	all.Limit = 0
	f := &Forecast{
		Topic: r.Topic, Letters: len(chosen), ByReason: sums.ByReason, Skipped: sums.Skipped, Judged: judge != nil,
		Replayed: len(b.Choose(all, Replayed)), Dropped: len(b.Choose(all, Dropped)), Groups: []Expected{},
	}
	tally := newTally()
	for _, e := range chosen {
		tally.group(e).Letters++
	}
	if judge != nil {
		if err := b.eachOf(ctx, chosen, func(e *Entry, record *kgo.Record) error {
			tally.add(e, judge(record.Value))
			return ctx.Err()
		}); err != nil {
			return nil, err
		}
	}
	tally.into(f)
	return f, nil
}

// tally groups what a forecast finds.
type tally struct {
	groups   map[groupKey]*Expected
	refusals map[groupKey]*Refusal
}

// groupKey tells groups of letters apart; refusals are of no partition.
type groupKey struct {
	reason, field string
	partition     int32
}

func newTally() *tally {
	return &tally{groups: map[groupKey]*Expected{}, refusals: map[groupKey]*Refusal{}}
}

func (t *tally) group(e *Entry) *Expected {
	key := groupKey{e.ReasonName(), e.Field, e.Root.Partition}
	g := t.groups[key]
	if g == nil {
		g = &Expected{Reason: key.reason, Field: key.field, Partition: key.partition}
		t.groups[key] = g
	}
	return g
}

func (t *tally) add(e *Entry, refused *event.Rejection) {
	if refused == nil {
		t.group(e).Stored++
		return
	}
	t.group(e).Refused++
	key := groupKey{reason: string(refused.Reason), field: refused.Field}
	again := t.refusals[key]
	if again == nil {
		again = &Refusal{Reason: key.reason, Field: key.field, First: e.ID(), Message: refused.Message}
		t.refusals[key] = again
	}
	again.Letters++
}

// into puts the groups into a forecast, the largest first.
func (t *tally) into(f *Forecast) {
	for _, g := range t.groups {
		f.Groups = append(f.Groups, *g)
		f.Stored, f.Refused = f.Stored+g.Stored, f.Refused+g.Refused
	}
	slices.SortFunc(f.Groups, func(a, b Expected) int {
		return cmp.Or(b.Letters-a.Letters, cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Partition, b.Partition))
	})
	for _, again := range t.refusals {
		f.Refusals = append(f.Refusals, *again)
	}
	slices.SortFunc(f.Refusals, func(a, b Refusal) int {
		return cmp.Or(b.Letters-a.Letters, cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Field, b.Field))
	})
}

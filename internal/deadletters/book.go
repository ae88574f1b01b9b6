package deadletters

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
)

// Entry is a letter and what has become of it. An origin has one entry, however often
// a crash repeated the letter and however often it was replayed: that of the last try.
type Entry struct {
	Letter
	State State
	// Root is the origin of the first letter, Attempt the number of this one: above 1
	// it was replayed and refused again.
	Root    Origin
	Attempt int
}

// Book is all that the topic of dead letters holds.
type Book struct {
	Topic   string
	Entries []Entry
	// Records is how many records the topic holds, entries and those that repeat them.
	Records int
	// origins are those of all letters of ours, earlier tries too.
	origins map[Origin]bool
	log     *topicLog
	marks   *marks
}

// Read reads the topic of letters, and the marks before it: what is marked after that
// is still open here, and a replay finds its mark in time.
func Read(ctx context.Context, client *kgo.Client, topic string) (*Book, error) {
	marks, err := readMarks(ctx, client, MarksTopic(topic))
	if err != nil {
		return nil, err
	}
	return read(ctx, client, topic, marks)
}

func read(ctx context.Context, client *kgo.Client, topic string, marks *marks) (*Book, error) {
	log, err := openLog(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	b := &Book{Topic: topic, origins: map[Origin]bool{}, log: log, marks: marks}
	byRoot := map[Origin]int{}
	words := map[string]string{}
	return b, log.each(ctx, func(r *kgo.Record) error {
		l := Parse(r)
		l.Message = ""                                                                    // only `show` needs it
		for _, s := range []*string{&l.Field, &l.Version, &l.Stranger, &l.Origin.Topic} { // a few words, a million times
			if kept, ok := words[*s]; ok {
				*s = kept
			} else if len(words) < 10_000 {
				words[*s] = *s
			}
		}
		b.add(l, byRoot)
		return nil
	})
}

func (b *Book) add(l Letter, byRoot map[Origin]int) {
	b.Records++
	root, attempt := b.marks.root(l.Origin)
	if l.Stranger == "" {
		b.origins[l.Origin] = true
	}
	e := Entry{Letter: l, State: b.state(l.Origin), Root: root, Attempt: attempt}
	i, ok := byRoot[root]
	switch {
	case !ok:
		byRoot[root] = len(b.Entries)
		b.Entries = append(b.Entries, e)
	case attempt > b.Entries[i].Attempt:
		b.Entries[i] = e
	}
}

func (b *Book) state(origin Origin) State {
	if s := b.marks.states[origin]; s != "" {
		return s
	}
	return Open
}

// Filter chooses letters; its zero value takes all.
type Filter struct {
	// Reasons and Fields are those wanted; none: any.
	Reasons, Fields []string
	// Since and Until bound the time at which the letter was written: [Since, Until).
	Since, Until time.Time
	// Partition is that of the origin; nil: any.
	Partition *int
	// Limit is how many letters at most; 0: all.
	Limit int
}

// StrangerReason stands for the reason of letters that are not ours.
const StrangerReason = "stranger"

// ReasonName is the letter's reason, or StrangerReason.
func (l *Letter) ReasonName() string {
	if l.Stranger != "" {
		return StrangerReason
	}
	return string(l.Reason)
}

// CheckReason tells whether a filter may ask for it.
func CheckReason(name string) bool { return name == StrangerReason || event.Reason(name).Known() }

func (f *Filter) match(e *Entry) bool {
	switch {
	case len(f.Reasons) > 0 && !slices.Contains(f.Reasons, e.ReasonName()),
		len(f.Fields) > 0 && !slices.Contains(f.Fields, e.Field),
		!f.Since.IsZero() && e.Time.Before(f.Since),
		!f.Until.IsZero() && !e.Time.Before(f.Until),
		f.Partition != nil && (e.Stranger != "" || int(e.Root.Partition) != *f.Partition):
		return false
	}
	return true
}

// Choose returns the entries of a filter in one of the states; no state: in any.
func (b *Book) Choose(f Filter, states ...State) []*Entry {
	var chosen []*Entry
	for i := range b.Entries {
		e := &b.Entries[i]
		if len(states) > 0 && !slices.Contains(states, e.State) || !f.match(e) {
			continue
		}
		if chosen = append(chosen, e); len(chosen) == f.Limit {
			break
		}
	}
	return chosen
}

// eachOf calls f for each of the chosen entries with its record, in the topic's order.
func (b *Book) eachOf(ctx context.Context, chosen []*Entry, f func(*Entry, *kgo.Record) error) error {
	wanted := make(map[string]*Entry, len(chosen))
	for _, e := range chosen {
		wanted[e.ID()] = e
	}
	return b.log.each(ctx, func(record *kgo.Record) error {
		l := Letter{Partition: record.Partition, Offset: record.Offset}
		if e := wanted[l.ID()]; e != nil {
			return f(e, record)
		}
		return nil
	})
}

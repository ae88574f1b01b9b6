// Package deadletters reads the topic of dead letters, sends letters through the
// pipeline once more, and remembers which ones were.
//
// # Replay is exact
//
// A letter is known by its origin: the record it was made of. For each letter that is
// replayed one transaction writes two records: the letter's bytes to the topic for
// events, and a mark with the origin as its key to the topic of marks. Both are there
// or none is, whatever is killed. A replay begins by writing its transactional id to
// the topic of marks, and ends all replays that stand there before its own: the broker
// aborts their transactions and refuses all they still send. Only then it reads the
// marks. So it reads all marks that replays before it will ever have written, and one
// that comes later ends it first: a letter with a mark was sent, a letter without one
// was not, and a letter is sent once for ever. Consumers read what is committed only.
//
// A replayed record that is refused again becomes a letter of the new record. The mark
// names that record, so the letter counts as the next attempt of the first one.
package deadletters

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
	"clickstream/internal/schema"
)

// Origin is the record that a letter was made of. The time tells records apart that
// have the same offset in two topics of one name.
type Origin struct {
	Topic     string
	Partition int32
	Offset    int64
	// Milli is the record's time in milliseconds since 1970.
	Milli int64
}

const originTime = "2006-01-02T15:04:05.000Z07:00"

// Place is topic, partition and offset, such as clickstream/0/5.
func (o Origin) Place() string {
	return o.Topic + "/" + strconv.Itoa(int(o.Partition)) + "/" + strconv.FormatInt(o.Offset, 10)
}

// String is the form that ParseOrigin reads: clickstream/0/5@2026-01-15T14:30:00.123Z.
func (o Origin) String() string { return o.Place() + "@" + o.time().Format(originTime) }

func (o Origin) time() time.Time { return time.UnixMilli(o.Milli).UTC() }

// ParseOrigin takes the text of an Origin apart again.
func ParseOrigin(text string) (Origin, error) {
	place, stamp, ok := strings.Cut(text, "@")
	parts := strings.Split(place, "/")
	if !ok || len(parts) != 3 {
		return Origin{}, fmt.Errorf("origin: want topic/partition/offset@time, got %q", clip(text))
	}
	return originOf(parts[0], parts[1], parts[2], stamp)
}

func originOf(topic, partition, offset, stamp string) (o Origin, err error) {
	if schema.CheckTopic(topic) != nil { // whose text quotes all of it
		return o, fmt.Errorf("topic: want a topic's name, got %q", clip(topic))
	}
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return o, fmt.Errorf("partition: want a number from 0 on, got %q", clip(partition))
	}
	at, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || at < 0 {
		return o, fmt.Errorf("offset: want a number from 0 on, got %q", clip(offset))
	}
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil || t.Year() < 1 { // year 0 would not be read again
		return o, fmt.Errorf("timestamp: want RFC 3339, got %q", clip(stamp))
	}
	return Origin{topic, int32(p), at, t.UnixMilli()}, nil
}

// Letter is one record of the topic of dead letters, less its bytes.
type Letter struct {
	// Partition and Offset are the letter's own place.
	Partition int32
	Offset    int64
	// Time is when it was written.
	Time   time.Time
	Reason event.Reason
	// Field is the JSON field at fault, Message what was wanted of it; both are the
	// writer's words and may hold anything.
	Field, Message string
	// Version is the release that wrote it.
	Version string
	// Origin is the record it was made of. A stranger has none: there it is the
	// letter's own place, which names it as well.
	Origin Origin
	// Stranger says why this is no letter of ours; empty if it is one.
	Stranger string
	// Size is the number of its bytes, Whole that of the record's where the letter was
	// cut to fit; else it is 0.
	Size  int
	Whole int64
}

// ID is the letter's own place, as `clickstream dlq show` takes it.
func (l *Letter) ID() string {
	return strconv.Itoa(int(l.Partition)) + ":" + strconv.FormatInt(l.Offset, 10)
}

// maxText bounds what is kept of a header; those of ours are no longer.
const maxText = 1 << 10

// Parse reads a letter's headers. Nothing in a record makes it fail: what we did not
// write, or somebody changed, is a stranger.
func Parse(r *kgo.Record) Letter {
	l := Letter{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC(), Size: len(r.Value)}
	h := map[string]string{}
	for _, header := range r.Headers {
		if slices.Contains(names, header.Key) {
			h[header.Key] = string(header.Value[:min(len(header.Value), maxText)])
		}
	}
	l.Field, l.Message, l.Version = h["field"], h["message"], h["version"]
	l.Origin = Origin{r.Topic, r.Partition, r.Offset, r.Timestamp.UnixMilli()}
	if l.Stranger = l.read(h); l.Stranger != "" {
		l.Origin = Origin{r.Topic, r.Partition, r.Offset, r.Timestamp.UnixMilli()}
	}
	return l
}

// names are the headers that a letter has.
var names = []string{"reason", "field", "message", "topic", "partition", "offset", "timestamp", "version", "truncated"}

// read returns what is wrong with the headers that must be there.
func (l *Letter) read(h map[string]string) (wrong string) {
	reason, ok := h["reason"]
	switch {
	case !ok:
		return "no header reason"
	case !event.Reason(reason).Known():
		return "header reason: unknown code"
	}
	l.Reason = event.Reason(reason)
	if h["topic"] == "" {
		return "no header topic: its origin is unknown"
	}
	origin, err := originOf(h["topic"], h["partition"], h["offset"], h["timestamp"])
	if err != nil {
		return "header " + err.Error()
	}
	l.Origin = origin
	if whole, ok := h["truncated"]; ok {
		if l.Whole, err = strconv.ParseInt(whole, 10, 64); err != nil || l.Whole < int64(l.Size) {
			l.Whole = 0
			return "header truncated: want the record's length"
		}
	}
	return ""
}

// clip shortens what an error quotes.
func clip(s string) string { return s[:min(len(s), 60)] }

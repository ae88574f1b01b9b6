package deadletters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// State is what has become of a letter.
type State string

// The states.
const (
	// Open: nothing has been done about it.
	Open State = "open"
	// Replayed: it was sent through the pipeline again and did not come back.
	Replayed State = "replayed"
	// Dropped: somebody decided to forget it.
	Dropped State = "dropped"
)

// MarksTopic is the topic of marks that belongs to a topic of dead letters.
func MarksTopic(letters string) string { return letters + "-handled" }

// mark is the value of a record in the topic of marks; its key is the origin of the
// letter that was handled.
type mark struct {
	State State     `json:"state"`
	At    time.Time `json:"at"`
	// As is the record that a replay wrote, Root the origin of the first letter, and
	// Attempt the number of this try: 2 is that of the first replay.
	As      string `json:"as,omitempty"`
	Root    string `json:"root,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
}

// ancestry is what a mark says of the record that a replay wrote.
type ancestry struct {
	milli   int64
	root    Origin
	attempt int
}

// marks are all letters that were handled.
type marks struct {
	states map[Origin]State
	// replays are the records that were written, by topic, partition and offset: their
	// Milli is 0.
	replays map[Origin]ancestry
	// sessions are the transactional ids of replays that did not end in order.
	sessions map[string]bool
}

func newMarks() *marks {
	return &marks{states: map[Origin]State{}, replays: map[Origin]ancestry{}, sessions: map[string]bool{}}
}

// readMarks reads them all. A topic that is not there holds none.
func readMarks(ctx context.Context, client *kgo.Client, topic string) (*marks, error) {
	m := newMarks()
	log, err := openLog(ctx, client, topic)
	if errors.Is(err, errAbsent) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	return m, log.each(ctx, func(r *kgo.Record) error {
		if err := m.add(r.Key, r.Value); err != nil {
			return fmt.Errorf("kafka: topic %q: mark at %d:%d: %w; only `clickstream dlq` may write there", topic, r.Partition, r.Offset, err)
		}
		return nil
	})
}

// add reads one mark. What it cannot read is an error: to pass over it might replay a
// letter twice.
func (m *marks) add(key, value []byte) error {
	if id, ok := bytes.CutPrefix(key, []byte(sessionPrefix)); ok {
		m.sessions[string(id)] = true
		if value == nil {
			delete(m.sessions, string(id))
		}
		return nil
	}
	origin, err := ParseOrigin(string(key))
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	var v mark
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	switch v.State {
	case Dropped:
		if m.states[origin] == "" {
			m.states[origin] = Dropped
		}
		return nil
	case Replayed:
		m.states[origin] = Replayed
	default:
		return fmt.Errorf("state: want %s or %s, got %q", Replayed, Dropped, clip(string(v.State)))
	}
	as, err := ParseOrigin(v.As)
	if err != nil {
		return fmt.Errorf("as: %w", err)
	}
	root, err := ParseOrigin(v.Root)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	m.replays[place(as)] = ancestry{as.Milli, root, v.Attempt}
	return nil
}

// place is an origin without its time.
func place(o Origin) Origin {
	o.Milli = 0
	return o
}

// sameRecord is how far the time that a broker gives a record may lie from ours: above
// a transaction's timeout, far below the age of a topic.
const sameRecord = time.Minute

// root returns the first record of which origin is a replay, and which attempt this is.
func (m *marks) root(origin Origin) (Origin, int) {
	a, ok := m.replays[place(origin)]
	apart := time.Duration(origin.Milli-a.milli) * time.Millisecond
	if !ok || apart < -sameRecord || apart > sameRecord {
		return origin, 1
	}
	return a.root, a.attempt
}

// ensureMarks makes the topic of marks, or checks that it forgets none of them.
func ensureMarks(ctx context.Context, client *kgo.Client, topic string, say func(string)) error {
	admin := kadm.NewClient(client)
	compact := "compact"
	_, err := admin.CreateTopic(ctx, 1, -1, map[string]*string{"cleanup.policy": &compact}, topic)
	switch {
	case err == nil:
		say("created topic " + topic + ", which remembers the letters that were handled")
		return nil
	case !errors.Is(err, kerr.TopicAlreadyExists):
		return fmt.Errorf("kafka: topic %q: create: %w; allow the user CREATE, READ, WRITE and DESCRIBE on it, or have it created with cleanup.policy=compact", topic, err)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return fmt.Errorf("kafka: topic %q: settings: %w", topic, err)
	}
	settings, err := configs.On(topic, nil)
	if err == nil {
		err = settings.Err
	}
	if err != nil {
		return fmt.Errorf("kafka: topic %q: settings: %w; allow the user DESCRIBE_CONFIGS on it", topic, err)
	}
	for _, c := range settings.Configs {
		if c.Key == "cleanup.policy" && c.Value != nil && *c.Value != compact {
			return fmt.Errorf("kafka: topic %q: cleanup.policy: want compact, got %q; a mark that is deleted lets its letter be sent again", topic, *c.Value)
		}
	}
	return nil
}

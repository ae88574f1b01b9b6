package deadletters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/schema"
)

// Count is how many letters there are of one reason and field.
type Count struct {
	Reason string `json:"reason"`
	Field  string `json:"field"`
	// Letters is the sum of the three states, each letter once by its first origin.
	Letters  int `json:"letters"`
	Open     int `json:"open"`
	Replayed int `json:"replayed"`
	Dropped  int `json:"dropped"`
	// Again is how many of them were replayed and refused again.
	Again int `json:"again"`
	// First and Last are when the first and the last one were written.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Stats are the letters of a topic, counted.
type Stats struct {
	Topic  string  `json:"topic"`
	Counts []Count `json:"counts"`
	// Records is how many records the topic holds: letters, those that a crash
	// repeated, and earlier tries.
	Records int `json:"records"`
	// Table is nil if it was not asked.
	Table *Comparison `json:"table,omitempty"`
}

// Comparison holds the topic's letters against the table's, by origin, each try of a
// letter by its own: the table has a row for every record that was refused.
type Comparison struct {
	Both      int `json:"both"`
	TopicOnly int `json:"topic_only"`
	TableOnly int `json:"table_only"`
}

// Count counts the letters of a filter.
func (b *Book) Count(f Filter) *Stats {
	type group struct{ reason, field string }
	groups := map[group]*Count{}
	for _, e := range b.Choose(f) {
		g := group{e.ReasonName(), e.Field}
		c := groups[g]
		if c == nil {
			c = &Count{Reason: g.reason, Field: g.field, First: e.Time, Last: e.Time}
			groups[g] = c
		}
		c.add(e)
	}
	s := &Stats{Topic: b.Topic, Records: b.Records, Counts: []Count{}}
	for _, g := range slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
		return cmp.Or(groups[b].Letters-groups[a].Letters, cmp.Compare(a.reason, b.reason), cmp.Compare(a.field, b.field))
	}) {
		s.Counts = append(s.Counts, *groups[g])
	}
	return s
}

func (c *Count) add(e *Entry) {
	c.Letters++
	switch e.State {
	case Replayed:
		c.Replayed++
	case Dropped:
		c.Dropped++
	default:
		c.Open++
	}
	if e.Attempt > 1 {
		c.Again++
	}
	if e.Time.Before(c.First) {
		c.First = e.Time
	}
	if e.Time.After(c.Last) {
		c.Last = e.Time
	}
}

// Compare holds all of the topic's letters against the table. Rows without a topic's
// name are not Kafka's and not looked at.
func (b *Book) Compare(ctx context.Context, conn driver.Conn, database string) (*Comparison, error) {
	rows, err := conn.Query(ctx, "SELECT topic, _partition, _offset, toUnixTimestamp64Milli(received_at) FROM "+
		schema.Quote(database)+".dead_letters FINAL WHERE topic != ''")
	if err != nil {
		return nil, fmt.Errorf("clickhouse: dead_letters of database %q: %w; check --database, create the tables with `clickstream init`, or leave the table out with --no-table", database, err)
	}
	defer rows.Close()
	var c Comparison
	for rows.Next() {
		var o Origin
		if err := rows.Scan(&o.Topic, &o.Partition, &o.Offset, &o.Milli); err != nil {
			return nil, err
		}
		if b.origins[o] {
			c.Both++
		} else {
			c.TableOnly++
		}
	}
	c.TopicOnly = len(b.origins) - c.Both
	return &c, rows.Err()
}

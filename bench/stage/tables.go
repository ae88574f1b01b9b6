package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/internal/schema"
)

// Table says what the table `events` of a database is like.
type Table int

// The columns are always those of config/clickhouse.
const (
	// Guarded is the table as `clickstream init` makes it.
	Guarded Table = iota
	// Plain has no constraint: what writes at least once knows no owner.
	Plain
	// Null keeps the constraint and forgets all rows, to measure without storage: the
	// table `counts` says how many there were.
	Null
)

// Database makes a database whose table is of the given kind. Drop it by Drop.
func (s *Stage) Database(ctx context.Context, name string, t Table) error {
	if _, err := schema.Apply(ctx, s.Conn, schema.Options{Database: name}); err != nil {
		return err
	}
	statements := map[Table][]string{
		Plain: {"ALTER TABLE %[1]s.events DROP CONSTRAINT current_owner"},
		Null: {"RENAME TABLE %[1]s.events TO %[1]s.stored",
			"CREATE TABLE %[1]s.events AS %[1]s.stored ENGINE = Null",
			"CREATE TABLE %[1]s.counts (n Int64) ENGINE = Memory",
			"CREATE MATERIALIZED VIEW %[1]s.count TO %[1]s.counts AS SELECT toInt64(count()) AS n FROM %[1]s.events"},
	}
	for _, statement := range statements[t] {
		if err := s.Conn.Exec(ctx, fmt.Sprintf(statement, name)); err != nil {
			return fmt.Errorf("database %s: %w", name, err)
		}
	}
	return nil
}

// Count is the query for how many rows the table `events` of a database has had.
func (t Table) Count(database string) string {
	if t == Null {
		return "SELECT sum(n) FROM " + database + ".counts"
	}
	return "SELECT toInt64(count()) FROM " + database + ".events"
}

// Drop deletes a database.
func (s *Stage) Drop(ctx context.Context, name string) error {
	return s.Conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" SYNC")
}

// Topic makes a topic that keeps all its records.
func (s *Stage) Topic(ctx context.Context, name string, partitions int) error {
	forever := "-1"
	_, err := s.Admin.CreateTopic(ctx, int32(partitions), 1, map[string]*string{"retention.ms": &forever, "retention.bytes": &forever}, name)
	if err != nil {
		return fmt.Errorf("topic %s: %w", name, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for { // a leader for each partition
		if _, err := s.Records(ctx, name); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Records counts what was ever written to a topic.
func (s *Stage) Records(ctx context.Context, topic string) (n int64, _ error) {
	ends, err := s.Admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("topic %s: %w", topic, err)
	}
	ends.Each(func(end kadm.ListedOffset) { n += end.Offset })
	return n, nil
}

// DropTopic deletes a topic.
func (s *Stage) DropTopic(ctx context.Context, name string) error {
	_, err := s.Admin.DeleteTopic(ctx, name)
	return err
}

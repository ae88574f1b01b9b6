// Package verify holds a topic against the tables: is every record exactly one row of
// `events` or one dead letter? It reads both and writes neither.
//
// # What is held against what
//
// First comes a snapshot: the log's ranges and the offsets that the group has
// committed. What is committed must be stored (invariant I4 of
// plugins/clickhouse/exactlyonce), so every offset of [from, to) is due, where to is
// the committed offset and from the lowest one that the tables or the log still know.
// What lies above is on its way, and reported as lag. So a live system can be verified.
//
// Three things look alike in a table, an absent offset:
//
//	missing  the log holds a record there
//	gap      the log has deleted that offset; a record may have been there
//	hole     the log reaches there and holds no record: the mark of a transaction, or a
//	         record that compaction took. It is no fault.
//
// So absent offsets that the log reaches are read from Kafka.
//
// # Cost
//
// The tables are read once, as counts of chunks of 65,536 offsets: the engine keeps a
// bitmap for each chunk, at most 8 KiB, so the proof is exact and 10^8 rows take some
// 15 MiB. Only chunks whose counts are not as they must be are read row by row.
package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Settings say what to verify.
type Settings struct {
	Topic, Group, Database string
	// Since leaves out what is older, for tables that began later than the log. Zero:
	// everything. What the tables' retention may have deleted is left out anyway.
	Since time.Time
	// Wait is how long the group may take to commit what the topic holds now. Zero: it
	// is verified as it stands.
	Wait time.Duration
	// EventIDs counts events that are in the topic twice: most of the work.
	EventIDs bool
	// Content says of how many records the content is compared.
	Content Content
	// LookupTime bounds the reading of absent offsets from Kafka; zero is 30 s. What was
	// not read by then counts as missing.
	LookupTime time.Duration
}

// Content says of how many records the content is compared: of a sample and the newest day
// (as far as ten seconds go), of all that the log holds, or of none.
type Content int

// What content is compared.
const (
	SomeContent Content = iota
	AllContent
	NoContent
)

// lookupTime is some ten million records on a laptop.
const lookupTime = 30 * time.Second

// run is one verification.
type run struct {
	Settings
	kafka  *kgo.Client
	conn   driver.Conn
	log    *topicLog
	tables *tables
	report *Report
	// freeFloors: nothing stored is old enough to be deleted soon, so that the lowest
	// offset there is is due.
	freeFloors bool
}

// Run verifies and returns what it found. An error means that there is no answer; a
// report that is not Exact is none.
func Run(ctx context.Context, kafka *kgo.Client, conn driver.Conn, s Settings) (*Report, error) {
	if s.LookupTime == 0 {
		s.LookupTime = lookupTime
	}
	r := &run{Settings: s, kafka: kafka, conn: conn}
	if err := r.snapshot(ctx); err != nil {
		return nil, err
	}
	if err := r.floors(ctx); err != nil {
		return nil, err
	}
	if err := r.hold(ctx); err != nil {
		return nil, err
	}
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	if err := r.notes(ctx); err != nil {
		return nil, err
	}
	if s.EventIDs {
		n, err := r.tables.repeatedIDs(ctx)
		if err != nil {
			return nil, err
		}
		n = max(0, n-r.report.repeatedRows) // a row that repeats a record repeats its event, too
		r.report.RepeatedEventIDs = &n
	}
	r.report.sumUp()
	return r.report, nil
}

// snapshot notes the log's ranges and the group's offsets, before anything of the
// tables is read: whatever is committed now is visible then.
func (r *run) snapshot(ctx context.Context) (err error) {
	if r.log, err = openLog(ctx, r.kafka, r.Topic); err != nil {
		return err
	}
	if err := r.await(ctx); err != nil {
		return err
	}
	at := time.Now()
	ranges, err := r.log.ranges(ctx, r.Group)
	if err != nil {
		return err
	}
	r.report = &Report{
		Topic: r.Topic, Group: r.Group, Table: r.Database + ".events",
		Stream: fmt.Sprint(r.log.stream), At: at.UTC().Truncate(time.Millisecond),
	}
	for i, p := range ranges {
		// What the log has deleted nobody will read any more: it is due, committed or not.
		to := max(p.committed, p.start)
		r.report.Partitions = append(r.report.Partitions, Partition{
			Partition: int32(i), LogStart: p.start, LogEnd: p.end, Committed: p.committed,
			From: p.start, To: to, Counts: Counts{Lag: max(0, p.end-to)},
		})
	}
	r.tables, err = openTables(ctx, r.conn, r.Database, r.Group, r.log.stream)
	return err
}

// await gives the group time to commit what the topic holds at this moment.
func (r *run) await(ctx context.Context) error {
	if r.Wait <= 0 {
		return nil
	}
	target, err := r.log.ranges(ctx, r.Group)
	if err != nil {
		return err
	}
	late := time.NewTimer(r.Wait)
	defer late.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for now := target; behind(now, target) > 0; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("group %q has not committed %s of the topic's records after %s; is the consumer running? wait longer with --wait, or leave it out to verify what is committed",
				r.Group, comma(behind(now, target)), r.Wait)
		case <-tick.C:
		}
		if now, err = r.log.ranges(ctx, r.Group); err != nil {
			return err
		}
	}
	return nil
}

// behind is how many offsets below the target's ends are not committed.
func behind(now, target []logRange) (n int64) {
	for i, p := range target {
		if i < len(now) {
			n += max(0, p.end-max(now[i].committed, now[i].start))
		}
	}
	return n
}

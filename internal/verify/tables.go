package verify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/schema"
	"clickstream/plugins/clickhouse/exactlyonce"
)

// chunkSize is how many offsets are counted together: a bitmap of so many bits is 8 KiB.
const chunkSize = 1 << 16

// maxStreams bounds how many lost logs of one topic are followed (exactlyonce.Successor).
const maxStreams = 16

// tables is what the engine knows of a topic's records.
type tables struct {
	conn     driver.Conn
	database string
	events   string // quoted, with its database
	letters  string
	// filtered is what a processor dropped of the group's records: a condition-less query
	// of their offsets; empty if the schema does not have it yet.
	filtered string
	// streams is the topic's own, then those under which records lie whose offsets the
	// broker had given out before (exactlyonce.Successor).
	streams []uint64
	// rows counts the rows of every stream that the table has.
	rows map[uint64]int64
}

func openTables(ctx context.Context, conn driver.Conn, database, group string, stream uint64) (*tables, error) {
	d := schema.Quote(database)
	t := &tables{conn: conn, database: database, events: d + ".events", letters: d + ".dead_letters", rows: map[uint64]int64{}}
	err := t.each(ctx, "rows by stream", "SELECT _stream, toInt64(count()) FROM "+t.events+" GROUP BY _stream", func(row driver.Rows) error {
		var s uint64
		var n int64
		err := row.Scan(&s, &n)
		t.rows[s] = n
		return err
	})
	next := exactlyonce.Partition{Stream: stream}
	for t.streams = []uint64{stream}; len(t.streams) < maxStreams; t.streams = append(t.streams, next.Stream) {
		if next = exactlyonce.Successor(next); t.rows[next.Stream] == 0 {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	var known uint64
	err = conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = ? AND name = 'events_filtered'", database).Scan(&known)
	if known > 0 {
		t.filtered = d + ".events_filtered FINAL WHERE consumer_group = " + quoteText(group)
	}
	if err != nil {
		return nil, t.explain("list of tables", err)
	}
	return t, nil
}

// quoteText makes a string literal.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// engineMemory bounds what one statement may take of the engine's memory.
const engineMemory = 448 << 20

// each runs a statement and hands over its rows, with bounds that leave the engine to
// those who write to it.
func (t *tables) each(ctx context.Context, what, sql string, row func(driver.Rows) error) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 2, "max_memory_usage": engineMemory}))
	rows, err := t.conn.Query(ctx, sql)
	if err != nil {
		return t.explain(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return t.explain(what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return t.explain(what, err)
	}
	return nil
}

// ClickHouse's error codes that a person can act on (ErrorCodes.cpp).
const (
	codeUnknownIdentifier = 47
	codeUnknownTable      = 60
	codeUnknownDatabase   = 81
	codeReadOnly          = 164
	codeMemory            = 241
	codeNotEnoughRights   = 497
)

func (t *tables) explain(what string, err error) error {
	var e *clickhouse.Exception
	next := ""
	if errors.As(err, &e) {
		switch e.Code {
		case codeUnknownTable, codeUnknownDatabase:
			next = "; check --database, or create the tables with `clickstream init`"
		case codeUnknownIdentifier:
			next = "; verify needs the columns _stream, _partition and _offset: a table without them cannot be verified"
		case codeReadOnly:
			next = "; use a user whose profile is not readonly = 1 (2 will do)"
		case codeNotEnoughRights:
			next = fmt.Sprintf("; grant the user SELECT ON %s.*", schema.Quote(t.database))
		}
	}
	return fmt.Errorf("clickhouse: %s of database %q: %w%s", what, t.database, err, next)
}

// mine is the condition for a row of the topic.
func (t *tables) mine() string {
	list := make([]string, len(t.streams))
	for i, s := range t.streams {
		list[i] = strconv.FormatUint(s, 10)
	}
	return "_stream IN (" + strings.Join(list, ", ") + ")"
}

// below is the condition for an offset below its partition's bound.
func below(partitions []Partition) string {
	numbers, bounds := make([]string, len(partitions)), make([]string, len(partitions))
	for i, p := range partitions {
		numbers[i], bounds[i] = strconv.Itoa(int(p.Partition)), strconv.FormatInt(p.To, 10)
	}
	return fmt.Sprintf("_offset < transform(_partition, CAST([%s], 'Array(Int32)'), CAST([%s], 'Array(Int64)'), toInt64(0))",
		strings.Join(numbers, ","), strings.Join(bounds, ","))
}

// both is rows and letters together, and what was filtered; a letter counts once however
// often it was sent.
func (t *tables) both(where string) string { return t.bothWithin(where, "1") }

// bothWithin is told, too, which ranges of filtered records can matter.
func (t *tables) bothWithin(where, ranges string) string {
	filtered := ""
	if t.filtered != "" {
		filtered = " UNION ALL SELECT _stream, _partition, _offset, toUInt8(2) FROM (SELECT DISTINCT _stream, _partition, inserted_at, arrayJoin(range(first, last + 1)) AS _offset FROM " + t.filtered + " AND " + ranges + ") WHERE " + where
	}
	return "(SELECT _stream, _partition, _offset, toUInt8(0) AS letter FROM " + t.events + " WHERE " + where +
		" UNION ALL SELECT _stream, _partition, _offset, toUInt8(1) FROM " + t.letters + " FINAL WHERE " + where + filtered + ")"
}

// chunk is the counts of offsets index*chunkSize and up.
type chunk struct {
	partition int32
	index     int64
	rows      int64
	letters   int64
	filtered  int64
	covered   int64 // offsets that are one of those
	moved     int64 // rows under another stream than the topic's own
	lowest    int64
}

// chunks calls seen for every chunk that has rows, by partition and index.
func (t *tables) chunks(ctx context.Context, partitions []Partition, seen func(chunk) error) error {
	sql := fmt.Sprintf(`SELECT _partition, toInt64(intDiv(_offset, %d)) AS chunk, toInt64(countIf(letter = 0)), toInt64(countIf(letter = 1)), toInt64(countIf(letter = 2)),
		toInt64(groupBitmap(toUInt32(modulo(_offset, %[1]d)))), toInt64(countIf(_stream != %d)), toInt64(min(_offset))
		FROM %s GROUP BY _partition, chunk ORDER BY _partition, chunk`,
		chunkSize, t.streams[0], t.both(t.mine()+" AND "+below(partitions)))
	return t.each(ctx, "offsets", sql, func(row driver.Rows) error {
		var c chunk
		if err := row.Scan(&c.partition, &c.index, &c.rows, &c.letters, &c.filtered, &c.covered, &c.moved, &c.lowest); err != nil {
			return err
		}
		return seen(c)
	})
}

// kind tells rows of one coordinate apart: the index of their stream, letter for letters,
// dropped for what has neither.
type kind int

const (
	letter  kind = maxStreams
	dropped kind = maxStreams + 1
)

// read calls seen for every row and letter of [first, end) of a partition.
func (t *tables) read(ctx context.Context, partition int32, first, end int64, seen func(offset int64, k kind)) error {
	kinds := map[uint64]kind{}
	for i, s := range t.streams {
		kinds[s] = kind(i)
	}
	where := fmt.Sprintf("%s AND _partition = %d AND _offset >= %d AND _offset < %d", t.mine(), partition, first, end)
	ranges := fmt.Sprintf("_partition = %d AND last >= %d AND first < %d", partition, first, end)
	what := fmt.Sprintf("offsets %d to %d of partition %d", first, end-1, partition)
	return t.each(ctx, what, "SELECT _stream, _offset, letter FROM "+t.bothWithin(where, ranges), func(row driver.Rows) error {
		var stream uint64
		var offset int64
		var isLetter uint8
		if err := row.Scan(&stream, &offset, &isLetter); err != nil {
			return err
		}
		k := kinds[stream]
		switch isLetter {
		case 1:
			k = letter
		case 2:
			k = dropped
		}
		seen(offset, k)
		return nil
	})
}

// retention returns the time before which rows may have been deleted; zero: none are.
func (t *tables) retention(ctx context.Context) (cutoff time.Time, known bool, err error) {
	known = true
	for _, table := range []string{"events", "dead_letters"} {
		stay, ours, err := schema.StoredFor(ctx, t.conn, t.database, table)
		if err != nil {
			return cutoff, false, t.explain("retention of "+table, err)
		}
		known = known && ours
		if c := time.Now().Add(-time.Duration(stay) * 24 * time.Hour); stay > 0 && c.After(cutoff) {
			cutoff = c
		}
	}
	return cutoff, known, nil
}

// oldest returns when the oldest row was stored: a lookup in the parts' own indexes.
func (t *tables) oldest(ctx context.Context) (at time.Time, err error) {
	err = t.each(ctx, "oldest row", "SELECT min(inserted_at) FROM "+t.events, func(row driver.Rows) error { return row.Scan(&at) })
	return at, err
}

// lowest returns each partition's lowest offset, among what was stored since then.
func (t *tables) lowest(ctx context.Context, since time.Time) (map[int32]int64, error) {
	lowest := map[int32]int64{}
	where := fmt.Sprintf("%s AND inserted_at >= fromUnixTimestamp64Milli(toInt64(%d))", t.mine(), since.UnixMilli())
	err := t.each(ctx, "lowest offsets", "SELECT _partition, min(_offset) FROM "+t.both(where)+" GROUP BY _partition", func(row driver.Rows) error {
		var p int32
		var offset int64
		err := row.Scan(&p, &offset)
		lowest[p] = offset
		return err
	})
	return lowest, err
}

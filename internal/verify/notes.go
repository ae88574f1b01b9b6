package verify

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// notes tells what is odd about the tables, and no fault of any record.
func (r *run) notes(ctx context.Context) error {
	for _, stream := range slices.Sorted(maps.Keys(r.tables.rows)) {
		n := r.tables.rows[stream]
		switch {
		case slices.Contains(r.tables.streams, stream):
		case stream == 0:
			r.report.note(fmt.Sprintf("%s rows have no coordinate: they came from no topic", comma(n)))
		default:
			r.report.note(fmt.Sprintf("%s rows are of another topic, or of an earlier one of this name (_stream = %d)", comma(n), stream))
		}
	}
	return r.noteBeyond(ctx)
}

// noteBeyond looks for rows above the log's end: their records are lost, and the broker
// will give the offsets out again.
func (r *run) noteBeyond(ctx context.Context) error {
	ends, err := r.log.ranges(ctx, r.Group) // as of now: the rows were read after the snapshot
	if err != nil {
		return err
	}
	tops, err := r.tables.tops(ctx, r.report.Partitions)
	if err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(tops)) {
		if int(p) >= len(ends) || p < 0 {
			r.report.note(fmt.Sprintf("partition %d: has rows, and the topic has %d partitions", p, len(ends)))
		} else if end := ends[p].end; tops[p] >= end {
			r.report.note(fmt.Sprintf("partition %d: rows go up to offset %d, the log ends at %d: the broker has lost records that are stored",
				p, tops[p], end))
		}
	}
	return nil
}

// tops returns the highest offset of each partition that has rows at or above the
// partition's end in the snapshot, or that the topic does not have.
func (t *tables) tops(ctx context.Context, partitions []Partition) (map[int32]int64, error) {
	ends, least := slices.Clone(partitions), int64(math.MaxInt64)
	for i := range ends {
		ends[i].To = ends[i].LogEnd
		least = min(least, ends[i].LogEnd) // what the index can be asked for
	}
	tops := map[int32]int64{}
	sql := fmt.Sprintf("SELECT _partition, max(_offset) FROM %s WHERE _stream = %d AND (_partition >= %d OR _offset >= %d AND NOT %s) GROUP BY _partition",
		t.events, t.streams[0], len(ends), least, below(ends))
	err := t.each(ctx, "highest offsets", sql, func(row driver.Rows) error {
		var p int32
		var offset int64
		err := row.Scan(&p, &offset)
		tops[p] = offset
		return err
	})
	return tops, err
}

// show is a statement that lists a partition's faults of one kind.
func (t *tables) show(kind string, p Partition) string {
	where := fmt.Sprintf("%s AND _partition = %d", t.mine(), p.Partition)
	if kind == duplicated {
		all := "(SELECT _stream, _partition, _offset, 'row' AS what FROM " + t.events + " WHERE " + where +
			" UNION ALL SELECT _stream, _partition, _offset, 'dead letter' FROM " + t.letters + " FINAL WHERE " + where + ")"
		return "SELECT _stream, _partition, _offset, groupArray(what) FROM " + all +
			" GROUP BY _stream, _partition, _offset HAVING count() > 1 ORDER BY _offset LIMIT 1000"
	}
	return fmt.Sprintf("SELECT o + 1 AS first, n - 1 AS last FROM (SELECT _offset AS o, leadInFrame(_offset, 1, toInt64(%d)) OVER (ORDER BY _offset ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS n"+
		" FROM (SELECT DISTINCT _offset FROM %s WHERE _offset >= %d AND _offset < %[1]d UNION ALL SELECT toInt64(%[4]d))) WHERE n > o + 1 ORDER BY first LIMIT 1000",
		p.To, t.bothWithin(where, fmt.Sprintf("_partition = %d", p.Partition)), p.From, p.From-1)
}

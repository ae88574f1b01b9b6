package clickhouse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"clickstream/plugins/clickhouse/exactlyonce"
)

// errShort says that an answer is not what the server has counted.
var errShort = errors.New("the answer is cut short, though the settings forbid it: does the user see all rows?")

// Tops implements exactlyonce.Table. It looks no further down than the lowest offset on
// offer: below it nothing counts as absent.
func (f *fenced) Tops(ctx context.Context, partitions []exactlyonce.Partition) (map[exactlyonce.Partition]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	tops := map[exactlyonce.Partition]int64{}
	where := make([]string, len(partitions))
	for i, p := range partitions {
		low := f.below[p]
		if low > 0 {
			tops[p] = low - 1
		}
		where[i] = fmt.Sprintf("(_stream = %d AND _partition = %d AND _offset >= %d)", p.Stream, p.Number, low)
	}
	q := look{where: strings.Join(where, " OR "), count: "uniqExact(_stream, _partition)", what: "max(_offset), ''", more: " GROUP BY _stream, _partition"}
	err := f.look(ctx, q, func(p exactlyonce.Partition, top int64, _ string) error {
		tops[p] = top
		return nil
	})
	return tops, err
}

// Read implements exactlyonce.Table.
func (f *fenced) Read(ctx context.Context, ranges []exactlyonce.Range, seen func(exactlyonce.Partition, int64, exactlyonce.ID)) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.insertTimeout)
	defer cancel()
	where := make([]string, len(ranges))
	for i, r := range ranges {
		where[i] = fmt.Sprintf("(_stream = %d AND _partition = %d AND _offset BETWEEN %d AND %d)", r.Stream, r.Number, r.First, r.Last)
	}
	id := "''"
	if f.id != "" {
		id = "hex(ifNull(" + f.id + ", toUUID('00000000-0000-0000-0000-000000000000')))"
	}
	n := int64(0)
	defer func() { f.stats.readBack.Incr(n) }()
	q := look{where: strings.Join(where, " OR "), count: "count()", what: "_offset, " + id}
	return f.look(ctx, q, func(p exactlyonce.Partition, offset int64, text string) error {
		id, err := parseID(text)
		seen(p, offset, id)
		n++
		return err
	})
}

// look is a question about rows of the table: what is asked of each, or of each group of
// them, and how many answers there are.
type look struct{ where, count, what, more string }

// look calls answer for each of them, and returns nil only if those were all, and from the
// server that was met at the start. The count is a row of its own, with partition -1.
func (f *fenced) look(ctx context.Context, q look, answer func(p exactlyonce.Partition, offset int64, text string) error) error {
	from := " FROM " + f.config.quotedTable() + " WHERE " + q.where
	rows, err := f.conn.Query(f.asked(ctx), "SELECT toUInt64(0), toInt32(-1), toInt64("+q.count+"), "+f.config.placeSQL()+from+
		" UNION ALL SELECT _stream, _partition, "+q.what+from+q.more)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in Err
	want, got := int64(-1), int64(0)
	for rows.Next() {
		var p exactlyonce.Partition
		var number int64
		var text string
		if err := rows.Scan(&p.Stream, &p.Number, &number, &text); err != nil {
			return err
		}
		if p.Number < 0 {
			want, err = number, f.stayed(text)
		} else {
			got, err = got+1, answer(p, number, text)
		}
		if err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("read of %s: want %d rows, got %d: %w", f.config.target(), want, got, errShort)
	}
	return nil
}

// parseID reads the hexadecimal form of a UUID into the form that a block has: each
// half's bytes from the last to the first.
func parseID(text string) (id exactlyonce.ID, err error) {
	if text == "" {
		return id, nil
	}
	if n, err := hex.Decode(id[:], []byte(text)); err != nil || n != len(id) {
		return id, fmt.Errorf("event id: want 32 hexadecimal digits, got %d bytes", len(text))
	}
	slices.Reverse(id[:8])
	slices.Reverse(id[8:])
	return id, nil
}

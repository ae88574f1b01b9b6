package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// sliceRows is how many event ids are held against each other at a time: a set of so
// many hashes takes the engine some 200 MiB.
const sliceRows = 8_000_000

// maxSlices ends the search for a slice that fits into memory.
const maxSlices = 1 << 12

// repeatedIDs counts the rows whose event another row has. The ids are compared in
// slices, each one read of the column event_id, by a hash of 64 bits: in one of 3,700
// runs over 10^8 rows two ids share one, and the count is one too high.
func (t *tables) repeatedIDs(ctx context.Context) (int64, error) {
	var all int64
	for _, s := range t.streams {
		all += t.rows[s]
	}
	slices := all/sliceRows + 1
	for {
		n, err := t.repeatedIn(ctx, slices)
		var e *clickhouse.Exception
		if err == nil || !errors.As(err, &e) || e.Code != codeMemory || slices >= maxSlices {
			return n, err
		}
		slices *= 4 // the engine has less to give
	}
}

func (t *tables) repeatedIn(ctx context.Context, slices int64) (sum int64, err error) {
	for i := range slices {
		sql := fmt.Sprintf("SELECT toInt64(count() - uniqExact(cityHash64(event_id))) FROM %s WHERE %s AND cityHash64(event_id) %% %d = %d",
			t.events, t.mine(), slices, i)
		err := t.each(ctx, "event ids", sql, func(row driver.Rows) error {
			var n int64
			err := row.Scan(&n)
			sum += n
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return sum, nil
}

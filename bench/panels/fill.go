package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// block is how many rows one INSERT makes.
const block = 2_000_000

// events makes rows %[1]d to %[1]d + %[2]d: of 10,000, 9,415 views, 449 additions to a
// cart and 136 purchases, as the simulator has them, by 100,000 users over 1,000
// products of which the first are seen most, evenly over the time from %[3]d on, a row
// each %[4]f ms. Each 200th is sent again.
const events = `INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, inserted_at, _stream, _partition, _offset, _owner)
SELECT reinterpretAsUUID(murmurHash3_128(if(n %% 200 = 0 AND n >= 1000, toUInt64(n - 999), n))),
	multiIf(h %% 10000 < 9415, 'page_view', h %% 10000 < 9864, 'add_to_cart', 'purchase'),
	concat('user_', leftPad(toString(cityHash64(n, 2) %% 100000), 5, '0')),
	concat('product_', leftPad(toString(toUInt32(pow(1000, (cityHash64(n, 3) %% 1000000) / 1000000))), 4, '0')),
	toDecimal64(5 + (h %% 20000) / 100, 4),
	fromUnixTimestamp64Milli(toInt64(%[3]d + n * %[4]f), 'UTC') AS at,
	at + toIntervalMillisecond(cityHash64(n, 4) %% 60),
	at + toIntervalMillisecond(100 + cityHash64(n, 5) %% 500),
	1, n %% 3, intDiv(n, 3), 7
FROM (SELECT number + %[1]d AS n, cityHash64(number + %[1]d, 1) AS h FROM numbers(%[2]d))
SETTINGS max_insert_threads = 1`

// beside fills the other tables: what was sent again is not found by itself, for the
// views look at the last minutes only.
var beside = []string{
	`INSERT INTO events_repeated SELECT event_id, event_type, timestamp, inserted_at, _stream, _partition, _offset
		FROM events WHERE (_offset * 3 + _partition) % 200 = 0 AND _offset * 3 + _partition >= 1000`,
	`INSERT INTO dead_letters (reason, field, message, payload, received_at, inserted_at, _stream, _partition, _offset)
		SELECT 'price', 'price', 'want a number', repeat('x', 300), now64(3) - toIntervalSecond(number * 86), now64(3) - toIntervalSecond(number * 86), 2, 0, number FROM numbers(1000)`,
	`INSERT INTO pipeline_metrics (time, pipeline, version, topic, partition, lag_events, lag_ms, consumed, rows, inserts, insert_ms, fill_time)
		SELECT now64(3) - toIntervalSecond(intDiv(number, 4)), 'one', 'v1', 'clickstream', number % 4 - 1, number % 100, number % 500, 385, 385, number % 4 = 0, 12.5, number % 4 = 0
		FROM numbers(86400 * 4)`,
	"SYSTEM REFRESH VIEW count_events", "SYSTEM WAIT VIEW count_events",
	"SYSTEM REFRESH VIEW measure_delay", "SYSTEM WAIT VIEW measure_delay",
}

// fillOnce fills tables that are empty, and refuses those that hold other rows.
func fillOnce(ctx context.Context, conn driver.Conn, rows int, out io.Writer) error {
	var stored, metrics uint64 // the latter are the last rows that fill makes
	if err := conn.QueryRow(ctx, "SELECT count(), (SELECT count() FROM pipeline_metrics) FROM events").Scan(&stored, &metrics); err != nil {
		return err
	}
	switch {
	case stored == 0:
		return fill(ctx, conn, rows, out)
	case stored != uint64(rows) || metrics == 0:
		return fmt.Errorf("the tables hold %d rows, want %d: remove their folder", stored, rows)
	}
	return nil
}

// fill makes the tables of a day that ends now.
func fill(ctx context.Context, conn driver.Conn, rows int, out io.Writer) error {
	const day = 24 * time.Hour
	begin := time.Now()
	step := float64(day.Milliseconds()) / float64(rows)
	if err := conn.Exec(ctx, "INSERT INTO events_fence SELECT 1, number, 7 FROM numbers(3)"); err != nil {
		return err
	}
	for n := 0; n < rows; n += block {
		if err := conn.Exec(ctx, fmt.Sprintf(events, n, min(block, rows-n), begin.Add(-day).UnixMilli(), step)); err != nil {
			return fmt.Errorf("rows from %d: %w", n, err)
		}
	}
	for _, statement := range beside {
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%.40s: %w", statement, err)
		}
	}
	fmt.Fprintf(out, "filled in %s\n", time.Since(begin).Round(time.Second))
	return nil
}

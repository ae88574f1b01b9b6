package clickhouse

import (
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"clickstream/internal/engine/enginetest"
)

// TestReadsAreWhole: a profile that has the server stop early and say nothing, or leave rows
// out, would have what is stored look absent.
func TestReadsAreWhole(t *testing.T) {
	for name, profile := range map[string]driver.Settings{
		"groups": {"max_rows_to_group_by": 1, "group_by_overflow_mode": "any"},
		"result": {"max_result_rows": 1, "result_overflow_mode": "break"},
		"read":   {"max_rows_to_read": 1, "read_overflow_mode": "break"},
		"time":   {"max_execution_time": "0.000001", "timeout_overflow_mode": "break"},
		"limit":  {"limit": 1},
		"offset": {"offset": 1},
		"filter": {"additional_result_filter": "0"},
		"table":  {"additional_table_filters": "{'events': '_offset > 1000'}"},
	} {
		t.Run(name, func(t *testing.T) {
			f, yaml := guarded(t)
			const n = 8
			first := connected(t, yaml)
			for _, s := range partitions(n) { // a part of the table each: a server that counts looks between them
				mustWrite(t, first, visits(s, 1, 0, 20))
			}
			o := connected(t, other(yaml))
			options := o.config.options()
			options.Settings = profile // of the connection: what a user's profile would be
			o.server.conn = enginetest.Open(t, options)
			mustWrite(t, o, ofEach(partitions(n), 0, 25))
			f.wantRows(t, 25*n)
		})
	}
}

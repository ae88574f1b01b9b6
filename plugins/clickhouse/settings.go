package clickhouse

import (
	"context"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// pinned are the settings of every insert. The table's rows are told apart by
// coordinate, not by the server's memory of recent inserts, which loses rows when it
// is killed; and an insert must be stored when it is acknowledged.
var pinned = driver.Settings{
	"async_insert":       0,
	"deduplicate_insert": "disable", // 26.2 and later
	"insert_deduplicate": 0,
	"max_insert_threads": 1, // one part a block, whatever the server's default becomes
}

// complete are the settings of what must be answered in whole or not at all: no profile of
// the user's may have the server stop early in silence, leave rows out, or answer from
// before. A server is asked for those that it knows.
var complete = driver.Settings{
	"read_overflow_mode": "throw", "max_rows_to_read": 0, "max_bytes_to_read": 0,
	"group_by_overflow_mode": "throw", "max_rows_to_group_by": 0,
	"result_overflow_mode": "throw", "max_result_rows": 0, "max_result_bytes": 0,
	"timeout_overflow_mode": "throw", "max_execution_time": 0,
	"limit": 0, "offset": 0,
	"additional_result_filter": "", "additional_table_filters": "{}",
	"use_query_cache": 0, "enable_parallel_replicas": 0, "partial_result_on_first_cancel": 0,
}

// readSettings keeps those of the pinned settings that this server knows: another
// would refuse the insert.
func (s *server) readSettings(ctx context.Context) error {
	known, err := s.known(ctx, pinned)
	if err != nil {
		return err
	}
	if _, ok := known["deduplicate_insert"]; ok {
		delete(known, "insert_deduplicate") // the older of the two
	}
	s.settings = known
	return nil
}

// known returns those of the settings that the server knows: it refuses others.
func (s *server) known(ctx context.Context, all driver.Settings) (driver.Settings, error) {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, "'"+name+"'")
	}
	result, err := s.conn.Query(ctx, "SELECT name FROM system.settings WHERE name IN ("+strings.Join(names, ", ")+")")
	if err != nil {
		return nil, err
	}
	defer func() { _ = result.Close() }() // what went wrong is in Err
	known := driver.Settings{}
	for result.Next() {
		var name string
		if err := result.Scan(&name); err != nil {
			return nil, err
		}
		known[name] = all[name]
	}
	return known, result.Err()
}

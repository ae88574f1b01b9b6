package schema

import "github.com/ClickHouse/clickhouse-go/v2"

// Options returns what clickhouse-go connects with, without a database: for those
// who read beside the pipelines and take the same flags. Its errors are the
// configuration's.
func (c ClickHouse) Options() (*clickhouse.Options, error) { return c.options() }

// Package plugins registers everything this distribution adds to Benthos. It is
// the only list of plugins: import it, and they are there.
package plugins

import (
	_ "clickstream/plugins/clickhouse"
	_ "clickstream/plugins/kafka"
	_ "clickstream/plugins/prometheus"
	_ "clickstream/plugins/replay"
	_ "clickstream/plugins/simulator"
	_ "clickstream/plugins/tracer"
)

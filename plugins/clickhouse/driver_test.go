package clickhouse

import (
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	native "github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// driverColumns are the columns that the driver would give for the plan's insert.
func driverColumns(t testing.TB, p *plan) ([]native.Interface, *proto.Buffer) {
	t.Helper()
	columns := make([]native.Interface, len(p.bindings))
	for i, b := range p.bindings {
		var err error
		if columns[i], err = native.Type(b.name).Column(b.column, &native.ServerContext{}); err != nil {
			t.Fatal(err)
		}
	}
	return columns, new(proto.Buffer)
}

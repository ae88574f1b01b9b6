package engine_test

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"clickstream/internal/engine/enginetest"
)

// columns are types with a value of each, the ones with nested layouts above all.
var columns = []struct {
	kind  string
	value func(i int) any
}{
	{"UInt8", func(i int) any { return uint8(i) }},
	{"Int64", func(i int) any { return int64(-i) }},
	{"Float64", func(i int) any { return float64(i) / 3 }},
	{"Bool", func(i int) any { return i%2 == 0 }},
	{"String", func(i int) any { return strings.Repeat("é\x00\n", i%200) }},
	{"FixedString(3)", func(int) any { return "abc" }},
	{"UUID", func(i int) any { return uuid.NewSHA1(uuid.Nil, []byte{byte(i)}) }},
	{"Date", func(i int) any { return day.AddDate(0, 0, i) }},
	{"DateTime('UTC')", func(i int) any { return day.Add(time.Duration(i) * time.Second) }},
	{"DateTime64(3, 'UTC')", func(i int) any { return day.Add(time.Duration(i) * time.Millisecond) }},
	{"Decimal(18, 4)", func(i int) any { return decimal.New(int64(i), -4) }},
	{"Decimal(76, 2)", func(i int) any { return decimal.New(int64(i), -2) }},
	{"Enum8('a' = 1, 'b,(' = 2)", func(i int) any { return []string{"a", "b,("}[i%2] }},
	{"IPv4", func(i int) any { return net.IPv4(10, 0, 0, byte(i)).To4() }},
	{"IPv6", func(i int) any { return net.ParseIP(fmt.Sprintf("2001:db8::%x", i)) }},
	{"LowCardinality(String)", func(i int) any { return fmt.Sprint("product ", i%300) }},
	{"LowCardinality(Nullable(String))", func(i int) any { return pointer(fmt.Sprint(i), i%3 == 0) }},
	{"Nullable(Int32)", func(i int) any { return pointer(int32(i), i%2 == 0) }},
	{"Array(String)", func(i int) any { return make([]string, i%3) }},
	{"Array(LowCardinality(String))", func(i int) any { return []string{"x", fmt.Sprint(i)}[:i%3] }},
	{"Array(Array(UInt16))", func(i int) any { return [][]uint16{{uint16(i)}, {}}[:i%3] }},
	{"Map(String, UInt64)", func(i int) any { return map[string]uint64{"k": uint64(i)} }},
	{"Map(LowCardinality(String), Array(Nullable(Int8)))", func(int) any { return map[string][]*int8{"k": {nil}} }},
	{"Tuple(String, Int8)", func(i int) any { return []any{fmt.Sprint(i), int8(i)} }},
	{"Tuple(name String, ab Nullable(UInt8))", func(i int) any { return map[string]any{"name": "n", "ab": pointer(uint8(i), i%2 == 0)} }},
}

var day = time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)

func pointer[T any](v T, isNil bool) *T {
	if isNil {
		return nil
	}
	return &v
}

// TestTypes sends rows of every type in two blocks and reads them back.
func TestTypes(t *testing.T) {
	const rows = 700
	var definition []string
	for i, c := range columns {
		definition = append(definition, fmt.Sprintf("c%d %s", i, c.kind))
	}
	eachClient(t, clients(), func(t *testing.T, conn driver.Conn) {
		execute(t, conn, "CREATE TABLE t (n UInt64, "+strings.Join(definition, ", ")+") ENGINE = MergeTree ORDER BY n")
		batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		for n := range rows {
			if err := batch.Append(row(n)...); err != nil {
				t.Fatal(err)
			}
			if n == rows/2 {
				if err := batch.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			compare(t, conn, i, c.kind, rows)
		}
	})
}

func row(n int) []any {
	values := []any{uint64(n)}
	for _, c := range columns {
		values = append(values, c.value(n%128))
	}
	return values
}

// compare reads one column back and compares it with what was sent.
func compare(t *testing.T, conn driver.Conn, i int, kind string, want int) {
	t.Helper()
	rows, err := conn.Query(t.Context(), fmt.Sprintf("SELECT c%d FROM t ORDER BY n", i))
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		want := columns[i].value(n % 128)
		got := reflect.New(reflect.TypeOf(want))
		if err := rows.Scan(got.Interface()); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if g := fmt.Sprintf("%v", show(got.Elem().Interface())); g != fmt.Sprintf("%v", show(want)) {
			t.Fatalf("%s row %d\n got %s\nwant %v", kind, n, g, show(want))
		}
	}
	if err := rows.Err(); err != nil || n != want {
		t.Errorf("%s: got %d rows, %v\nwant %d", kind, n, err, want)
	}
}

// show follows pointers, which print as addresses.
func show(v any) any {
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Pointer && r.IsNil():
		return nil
	case r.Kind() == reflect.Pointer && r.Type() != reflect.TypeFor[*time.Location]():
		return r.Elem().Interface()
	case r.Kind() == reflect.Map && r.Type().Elem().Kind() == reflect.Interface:
		return fmt.Sprint(show(r.MapIndex(reflect.ValueOf("ab")).Interface()))
	case r.Kind() == reflect.Map && r.Type().Elem().Kind() == reflect.Slice:
		return fmt.Sprint(r.Len())
	}
	return v
}

// TestQueries covers what else clickhouse-go can ask for.
func TestQueries(t *testing.T) {
	eachClient(t, clients(), func(t *testing.T, conn driver.Conn) {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		version, err := conn.ServerVersion()
		if err != nil || version.Version.Major < 26 {
			t.Errorf("version: got %v, %v\nwant 26 or newer", version, err)
		}
		execute(t, conn,
			"CREATE TABLE t (a Int32, b String, m Int32 MATERIALIZED a + 1, d Int32 DEFAULT 7) ENGINE = MergeTree ORDER BY a",
			"INSERT INTO t (b, a) VALUES ('one', 1), ('two;', 2)",
			"INSERT INTO t (a, b) SELECT number, 'x' FROM numbers(3, 2)")
		if got := scan[string](t, conn, "SELECT arrayStringConcat(groupArray(concat(toString(a), b, toString(m), toString(d))), ' ') FROM (SELECT * , m FROM t ORDER BY a)"); got != "1one27 2two;37 3x47 4x57" {
			t.Errorf("rows: got %s", got)
		}
		if got := scan[uint64](t, conn, "SELECT count() FROM numbers(3000000) WHERE number % 3 = 0"); got != 1000000 {
			t.Errorf("count: got %d\nwant 1000000", got)
		}
		if got := drain(t, conn, "SELECT number, toString(number) FROM numbers(300000)"); got != 300000 {
			t.Errorf("rows: got %d\nwant 300000", got)
		}
		for _, sql := range []string{"SELECT a FROM t WHERE a > 100", "SHOW TABLES LIKE 'none'", "SELECT 1 FROM t WHERE 0 FORMAT Native"} {
			if got := drain(t, conn, sql); got != 0 {
				t.Errorf("%s: got %d rows\nwant 0", sql, got)
			}
		}
		for _, sql := range []string{"SHOW TABLES", "EXISTS t", "SHOW CREATE TABLE t", "(SELECT 1)", "WITH 1 AS x SELECT x", "SELECT 1 AS format"} {
			if got := drain(t, conn, sql); got != 1 {
				t.Errorf("%s: got %d rows\nwant 1", sql, got)
			}
		}
		if got := drain(t, conn, "DESCRIBE t"); got != 4 {
			t.Errorf("DESCRIBE: got %d rows\nwant 4", got)
		}
	})
}

// drain reads a whole answer and returns its length.
func drain(t *testing.T, conn driver.Conn, sql string) (n int) {
	t.Helper()
	rows, err := conn.Query(within(t, 30*time.Second), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// TestSettings: settings reach their statement and no other one.
func TestSettings(t *testing.T) {
	eachClient(t, protocols(), func(t *testing.T, conn driver.Conn) {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 3, "log_comment": "mine"}),
			clickhouse.WithQueryID("id-1"))
		var threads, comment string
		if err := conn.QueryRow(ctx, "SELECT toString(getSetting('max_threads')), toString(getSetting('log_comment'))").Scan(&threads, &comment); err != nil {
			t.Fatal(err)
		}
		if got := threads + " " + comment; got != "3 id-1 mine" {
			t.Errorf("settings: got %q\nwant %q", got, "3 id-1 mine")
		}
		if got := scan[string](t, conn, "SELECT toString(getSetting('log_comment'))"); strings.Contains(got, "mine") {
			t.Errorf("settings of the next statement: got %q", got)
		}
	})
}

// TestExternalTable sends a table with the query.
func TestExternalTable(t *testing.T) {
	eachClient(t, clients(), func(t *testing.T, conn driver.Conn) {
		table, err := ext.NewTable("wanted", ext.Column("id", "UInt32"), ext.Column("name", "String"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := table.Append(uint32(i), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		ctx := clickhouse.Context(context.Background(), clickhouse.WithExternalTable(table))
		var sum, length uint64
		if err := conn.QueryRow(ctx, "SELECT sum(id), sum(length(name)) FROM wanted").Scan(&sum, &length); err != nil {
			t.Fatal(err)
		}
		if sum != 3 || length != 3 {
			t.Errorf("sums: got %d %d\nwant 3 3", sum, length)
		}
	})
}

// TestParameters: the server fills in {name:Type}. Over the native protocol that
// needs a newer revision, and the driver says so.
func TestParameters(t *testing.T) {
	eachClient(t, protocols()[1:], func(t *testing.T, conn driver.Conn) {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{"n": "40", "s": "it's"}))
		var n uint64
		var s string
		if err := conn.QueryRow(ctx, "SELECT {n:UInt32} + 2, {s:String}").Scan(&n, &s); err == nil && (n != 42 || s != "it's") {
			t.Errorf("parameters: got %d %q", n, s)
		} else if err != nil {
			t.Fatal(err)
		}
	})
}

// TestDatabaseSQL: the driver's other face.
func TestDatabaseSQL(t *testing.T) {
	s := enginetest.Start(t)
	for _, c := range protocols() {
		options := s.Options(s.Database(t))
		options.Protocol = c.protocol
		if c.protocol == clickhouse.HTTP {
			options.Addr = []string{s.HTTP}
		}
		db := clickhouse.OpenDB(options)
		defer db.Close()
		for _, sql := range []string{"CREATE TABLE t (a Int64, b String) ENGINE = Memory", "INSERT INTO t VALUES (1, 'one')"} {
			if _, err := db.ExecContext(t.Context(), sql); err != nil {
				t.Fatalf("%s: %s: %v", c, sql, err)
			}
		}
		var b string
		if err := db.QueryRowContext(t.Context(), "SELECT b FROM t WHERE a = ?", 1).Scan(&b); err != nil || b != "one" {
			t.Errorf("%s: got %q, %v\nwant one", c, b, err)
		}
	}
}

// TestAsyncInsert: rows that the server gathers are there once it says so.
func TestAsyncInsert(t *testing.T) {
	eachClient(t, protocols(), func(t *testing.T, conn driver.Conn) {
		execute(t, conn, "CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a")
		ctx := clickhouse.Context(t.Context(), clickhouse.WithAsync(true))
		if err := conn.Exec(ctx, "INSERT INTO t VALUES (1), (2)"); err != nil {
			t.Fatal(err)
		}
		if got := scan[uint64](t, conn, "SELECT count() FROM t"); got != 2 {
			t.Errorf("rows: got %d\nwant 2", got)
		}
	})
}

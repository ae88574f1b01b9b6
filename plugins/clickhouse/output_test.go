package clickhouse

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"

	native "github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

const everyType = `CREATE TABLE t (
	s String, fs FixedString(4), lc LowCardinality(String), lcn LowCardinality(Nullable(String)), id UUID,
	i8 Int8, i16 Int16, i32 Int32, i64 Int64, u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64, f32 Float32, f64 Float64,
	d9 Decimal(9, 2), d18 Decimal(18, 4), d38 Decimal(38, 10), day Date, day32 Date32,
	dt DateTime('UTC'), dtz DateTime('Asia/Tokyo'), dt64 DateTime64(3, 'UTC'), dt9 DateTime64(9, 'UTC'), b Bool,
	e8 Enum8('a' = -1, 'it''s' = 2), e16 Enum16('x' = 1000),
	ns Nullable(String), nid Nullable(UUID), ni Nullable(Int32), nd Nullable(Decimal(38, 10)), nt Nullable(DateTime64(3, 'UTC')), ne Nullable(Enum8('a' = 1)), nfs Nullable(FixedString(200)), nb Nullable(Bool)
) ENGINE = MergeTree ORDER BY s`

const everyValue = `{"s":"a\té😀","fs":"ab","lc":"low","lcn":"card","id":"0193A2B4-7c1d-7e3f-8a9b-0c1d2e3f4a5b",
	"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808,"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"f32":1.5,"f64":-0.1,
	"d9":-1.005,"d18":29.99995,"d38":-1234567890123456789012345678.0123456789,"day":"2026-01-15","day32":"1900-01-01",
	"dt":"2026-01-15T14:30:00Z","dtz":"2026-01-15T14:30:00Z","dt64":"1969-12-31T23:59:59.999Z","dt9":"2026-01-15T14:30:00.123456789+01:00","b":true,
	"e8":"it's","e16":"x","ns":"n","nid":"0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b","ni":-5,"nd":0.5,"nt":"2026-01-15T14:30:00.123Z","ne":"a","nfs":"x","nb":false,"extra":{"a":[1]}}`

const everyRow = "a\\té😀\tab\\0\\0\tlow\tcard\t0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b\t" +
	"-128\t-32768\t-2147483648\t-9223372036854775808\t255\t65535\t4294967295\t18446744073709551615\t1.5\t-0.1\t" +
	"-1\t30\t-1234567890123456789012345678.0123456789\t2026-01-15\t1900-01-01\t" +
	"2026-01-15 14:30:00\t2026-01-15 23:30:00\t1969-12-31 23:59:59.999\t2026-01-15 13:30:00.123456789\ttrue\t" +
	"it\\'s\tx\tn\t0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b\t-5\t0.5\t2026-01-15 14:30:00.123\ta\tx\tfalse"

// TestEveryType sends one row of full values and one of NULLs through each protocol
// and compression, and reads them back by another client.
func TestEveryType(t *testing.T) {
	f := newFixture(t)
	f.query(t, everyType)
	nulls := everyValue
	for _, field := range []string{`"lcn":"card"`, `"ns":"n"`, `"nid":"0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b"`, `"ni":-5`, `"nd":0.5`, `"nt":"2026-01-15T14:30:00.123Z"`, `"ne":"a"`, `"nfs":"x"`} {
		name, _, _ := strings.Cut(field, ":")
		nulls = strings.Replace(nulls, field, name+":null", 1)
	}
	nulls = strings.Replace(nulls, `,"nb":false`, "", 1)
	for name, more := range map[string]string{
		"native lz4":  "",
		"native zstd": "compression: zstd",
		"native none": "compression: none",
		"http lz4":    fmt.Sprintf("protocol: http\naddresses: [%q]", f.HTTP),
		"http none":   fmt.Sprintf("protocol: http\ncompression: none\naddresses: [%q]", f.HTTP),
	} {
		t.Run(name, func(t *testing.T) {
			f.query(t, "TRUNCATE TABLE t")
			yaml := f.yaml("t", more)
			if strings.HasPrefix(more, "protocol: http") {
				_, yaml, _ = strings.Cut(yaml, "\n") // the other address
			}
			o := connected(t, yaml)
			if got := write(t, o, everyValue, nulls, everyValue); got != "<nil>" {
				t.Fatal(got)
			}
			full := strings.Replace(everyRow, "\tx\tfalse", "\tx"+strings.Repeat("\\0", 199)+"\tfalse", 1)
			null := strings.Replace(full, "\tcard\t", "\t\\N\t", 1)
			null = null[:strings.Index(null, "\tn\t")] + strings.Repeat("\t\\N", 8)
			want := strings.Join([]string{full, full, null}, "\n")
			if got := f.query(t, "SELECT * FROM t ORDER BY ns IS NULL"); got != want {
				t.Errorf("rows\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestCoordinates fills the columns that stand for the Kafka record.
func TestCoordinates(t *testing.T) {
	f := newFixture(t)
	f.query(t, `CREATE TABLE t (reason LowCardinality(String), field String, message String, payload String, key String, topic LowCardinality(String), received_at DateTime64(3, 'UTC'),
		inserted_at DateTime DEFAULT now(), _stream UInt64, _partition Int32, _offset Int64) ENGINE = MergeTree ORDER BY _offset`)
	o := connected(t, f.yaml("t", `
coordinates: true
columns: {"@reason": reason, "@field": field, "@message": message, "@value": payload, "@key": key, "@topic": topic}`))
	batch := messages("{not JSON", "\xff\x00", "")
	batch[0].MetaSetMut("fallback_error", "wrong_type (price): want a number, got a string")
	batch[1].MetaSetMut("fallback_error", "disk on fire")
	if err := o.WriteBatch(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	want := "wrong_type\tprice\twant a number, got a string\t{not JSON\tkey0\tclickstream\t2026-01-15 14:30:00.456\t9223372036854775815\t2\t0\n" +
		"other\t\tdisk on fire\t\xff\\0\tkey1\tclickstream\t2026-01-15 14:30:00.456\t9223372036854775815\t2\t1\n" +
		"other\t\t\t\tkey2\tclickstream\t2026-01-15 14:30:00.456\t9223372036854775815\t2\t2"
	if got := f.query(t, "SELECT * EXCEPT inserted_at FROM t ORDER BY _offset"); got != want {
		t.Errorf("rows\n got %q\nwant %q", got, want)
	}
}

// TestProjectTables stores an event and a dead letter in the tables that clickstream
// init makes, with the fields that pipelines/consume.yaml sets.
func TestProjectTables(t *testing.T) {
	f := newFixture(t)
	f.schema(t)
	o := connected(t, f.yaml("events", `
exactly_once: true
limits:
  price: { min: 0, max: 1000000000000 }
  timestamp: { min: "1970-01-01T00:00:00Z", max: "2100-01-01T00:00:00Z" }`))
	if got := write(t, o, goodEvent); got != "<nil>" {
		t.Fatal(got)
	}
	want := "0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b\tpurchase\tuser_0042\tprod_123\t29.99\t2026-01-15 14:30:00.123\t2026-01-15 14:30:00.456\t9223372036854775815\t2\t0"
	if got := f.query(t, "SELECT * EXCEPT (inserted_at, _owner) FROM events"); got != want {
		t.Errorf("event\n got %s\nwant %s", got, want)
	}
	letters := connected(t, f.yaml("dead_letters", `
coordinates: true
columns: { "@reason": reason, "@field": field, "@message": message, "@value": payload, "@topic": topic }`))
	if got := write(t, letters, "{"); got != "<nil>" {
		t.Fatal(got)
	}
	if got, want := f.query(t, "SELECT reason, topic, payload, _partition, _offset FROM dead_letters"), "other\tclickstream\t{\t2\t0"; got != want {
		t.Errorf("letter\n got %s\nwant %s", got, want)
	}
}

// TestRowsFailAlone: each bad row is named, its neighbours are stored; a row that
// only the server refuses too.
func TestRowsFailAlone(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n Int32, s String, CONSTRAINT even CHECK n % 2 = 0) ENGINE = MergeTree ORDER BY n")
	o := connected(t, f.yaml("t", "limits: {n: {min: 0}}"))
	got := write(t, o, `{"n":0,"s":"a"}`, `{"n":0,"s":"a"`, `{"n":2,"s":"b"}`, ``, `{"n":4}`, `{"n":-2,"s":"c"}`, `{"n":5,"s":"odd"}`, `{"n":6,"s":7}`, `{"n":8,"s":"d"}`)
	want := "1 malformed_json (): unexpected end at byte 14\n" +
		"3 no_value (): want a JSON object, got a record without a value\n" +
		"4 missing_field (s): want a value of type String, got nothing\n" +
		"5 out_of_range (n): want a number at least 0\n" +
		"6 unknown_value (): the row violates a constraint of the table (code 469)\n" +
		"7 wrong_type (s): want a string, got a number"
	if got != want {
		t.Errorf("failed messages\n got %s\nwant %s", got, want)
	}
	if got, want := f.query(t, "SELECT * FROM t ORDER BY n"), "0\ta\n2\tb\n8\td"; got != want {
		t.Errorf("rows\n got %s\nwant %s", got, want)
	}
}

// TestBlocksOnTheServer: max_rows 1000 makes parts of exactly 1,000 rows, the rest
// follows when its time is up.
func TestBlocksOnTheServer(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1")
	yaml := strings.Replace(f.yaml("t", "max_rows: 1000"), "flush_interval: 20ms", "flush_interval: 400ms", 1)
	o := connected(t, yaml)
	docs := make([]string, 3400)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	if got := write(t, o, docs...); got != "<nil>" {
		t.Fatal(got)
	}
	if got, want := f.query(t, "SELECT rows FROM system.parts WHERE database = '"+f.database+"' AND table = 't' AND level = 0 ORDER BY rows DESC"), "1000\n1000\n1000\n400"; got != want {
		t.Errorf("parts\n got %s\nwant %s", got, want)
	}
	if got, want := f.query(t, "SELECT count(), uniqExact(n) FROM t"), "3400\t3400"; got != want {
		t.Errorf("rows\n got %s\nwant %s", got, want)
	}
}

// TestEqualBlocks: two blocks of the same rows are both stored, whatever the table
// remembers of recent inserts.
func TestEqualBlocks(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
	o := connected(t, f.yaml("t", ""))
	for range 2 {
		if got := write(t, o, `{"n":1}`); got != "<nil>" {
			t.Fatal(got)
		}
	}
	if got, want := f.query(t, "SELECT count() FROM t"), "2"; got != want {
		t.Errorf("rows\n got %s\nwant %s", got, want)
	}
}

// TestPreparedColumns: a server that prepares an insert of other columns than were
// asked for would accept it and store nothing.
func TestPreparedColumns(t *testing.T) {
	p, err := newPlan(eventsConfig(), eventsTable)
	if err != nil {
		t.Fatal(err)
	}
	columns, _ := driverColumns(t, p)
	if err := matches(columns, p.bindings); err != nil {
		t.Error(err)
	}
	s, b := newServer(eventsConfig(), nil), newBlock(p)
	for name, got := range map[string][]native.Interface{"none": nil, "fewer": columns[1:], "another order": append(columns[1:], columns[0])} {
		if err := s.fill(got, b, 0, 0); !errors.Is(err, errDrift) {
			t.Errorf("%s\n got %v\nwant %v", name, err, errDrift)
		}
	}
}

// TestColumnsByName: only the mapped fields, in whatever order the table has them;
// names that need quoting too.
func TestColumnsByName(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE `odd-table` (`a-b` UInt8, z String, `select` Nullable(String), d UInt8 DEFAULT 9, m UInt8 MATERIALIZED 3) ENGINE = MergeTree ORDER BY z")
	o := connected(t, f.yaml("odd-table", "columns: {zed: z, num: a-b}"))
	if got := write(t, o, `{"num":4,"zed":"x","select":"ignored","d":1}`); got != "<nil>" {
		t.Fatal(got)
	}
	if got, want := f.query(t, "SELECT `a-b`, z, `select`, d, m FROM `odd-table`"), "4\tx\t\\N\t9\t3"; got != want {
		t.Errorf("row\n got %s\nwant %s", got, want)
	}
}

// TestTableChanges: a column that grows while the pipeline runs is followed, without
// a restart and without losing a row.
func TestTableChanges(t *testing.T) {
	f := newFixture(t)
	f.query(t, "CREATE TABLE t (kind Enum8('a' = 1), n Int32) ENGINE = MergeTree ORDER BY tuple()")
	o := connected(t, f.yaml("t", ""))
	if got := write(t, o, `{"kind":"a","n":1}`); got != "<nil>" {
		t.Fatal(got)
	}
	f.query(t, "ALTER TABLE t MODIFY COLUMN kind Enum8('a' = 1, 'b' = 2), MODIFY COLUMN n Int64")
	if got, want := write(t, o, `{"kind":"a","n":2}`), "<nil>"; got != want {
		t.Errorf("after the change\n got %s\nwant %s", got, want)
	}
	if got, want := write(t, o, `{"kind":"b","n":3000000000}`), "<nil>"; got != want {
		t.Errorf("the new name\n got %s\nwant %s", got, want)
	}
	if got, want := f.query(t, "SELECT * FROM t ORDER BY n"), "a\t1\na\t2\nb\t3000000000"; got != want {
		t.Errorf("rows\n got %s\nwant %s", got, want)
	}
}

// FuzzQuote: any name, quoted, names the column that it says.
func FuzzQuote(f *testing.F) {
	for _, name := range []string{"a", "a`b", `a\`, "a\nb", "`; DROP TABLE t --", "é", "a'b\"c", "\\`", "a\tb", "\x00", "\x01\x7f"} {
		f.Add(name)
	}
	s := enginetest.Start(f)
	conn := s.Conn(f, "")
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || len(name) > 100 {
			return
		}
		result, err := conn.Query(t.Context(), "SELECT 1 AS "+quote(name))
		if err != nil {
			t.Fatalf("quote(%q): %v", name, err)
		}
		defer result.Close()
		if got := result.Columns()[0]; got != name {
			t.Errorf("quote(%q) = %s\n got %q", name, quote(name), got)
		}
	})
}

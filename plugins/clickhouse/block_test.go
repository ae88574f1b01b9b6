package clickhouse

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"clickstream/internal/event"
)

// eventsTable is the table `events` as the server describes it.
var eventsTable = []tableColumn{
	{"event_id", "UUID", ""},
	{"event_type", "Enum8('page_view' = 1, 'add_to_cart' = 2, 'purchase' = 3, 'remove_from_cart' = 4)", ""},
	{"user_id", "String", ""},
	{"product_id", "LowCardinality(String)", ""},
	{"price", "Decimal(18, 4)", ""},
	{"timestamp", "DateTime64(3, 'UTC')", ""},
	{"received_at", "DateTime64(3, 'UTC')", ""},
	{"inserted_at", "DateTime64(3, 'UTC')", "DEFAULT"},
	{"_stream", "UInt64", ""},
	{"_partition", "Int32", ""},
	{"_offset", "Int64", ""},
	{"_owner", "UInt64", "DEFAULT"},
}

const goodEvent = `{"event_id":"0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b","event_type":"purchase","user_id":"user_0042","product_id":"prod_123","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}`

func eventsConfig() *config {
	return &config{
		table: "events", database: "clickstream", coordinates: true, maxRows: 1000, maxBytes: 1 << 20, maxInFlight: 4,
		flushInterval: time.Second, insertTimeout: time.Second, addresses: []string{"127.0.0.1:9000"},
		limits: map[string]texts{
			"price": {min: "0", max: "1000000000000"}, "timestamp": {min: "1970-01-01T00:00:00Z", max: "2100-01-01T00:00:00Z"},
			"user_id": {maxBytes: 256}, "product_id": {maxBytes: 256},
		},
	}
}

func eventsBlock(t testing.TB) *block {
	p, err := newPlan(eventsConfig(), eventsTable)
	if err != nil {
		t.Fatal(err)
	}
	return newBlock(p)
}

func eventRow(doc string) []row {
	return []row{{doc: []byte(doc), at: event.Coordinate{
		Source: &event.Source{Topic: "clickstream", Stream: 7, Partition: 2}, Offset: 11, Time: time.UnixMilli(1768487400456),
	}}}
}

// conversions are what each type stores of a JSON value, as bytes, or why it does not.
var conversions = []struct{ typ, in, want string }{
	{"String", `"a\u00e9\n"`, "61c3a90a"},
	{"String", `1`, "wrong_type: want a string, got a number"},
	{"FixedString(3)", `"ab"`, "616200"},
	{"FixedString(3)", `"abcd"`, "out_of_range: want at most 3 bytes, got 4"},
	{"UUID", `"0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b"`, "3f7e1d7cb4a293015b4a3f2e1d0c9b8a"},
	{"UUID", `"0193"`, "wrong_type: want a UUID, got another text"},
	{"Bool", `true`, "01"},
	{"Bool", `1`, "wrong_type: want a boolean, got a number"},
	{"Int8", `-128`, "80"},
	{"Int8", `128`, "out_of_range: want a number that fits in Int8"},
	{"Int8", `1e2`, "64"},
	{"Int8", `1.50`, "wrong_type: want a whole number, got a fraction"},
	{"Int8", `"1"`, "wrong_type: want a whole number, got a string"},
	{"UInt8", `-1`, "out_of_range: want a number that fits in UInt8"},
	{"UInt8", `-0`, "00"},
	{"UInt16", `65535.0`, "ffff"},
	{"Int32", `-2`, "feffffff"},
	{"UInt32", `4294967296`, "out_of_range: want a number that fits in UInt32"},
	{"Int64", `-9223372036854775808`, "0000000000000080"},
	{"Int64", `9223372036854775808`, "out_of_range: want a number that fits in Int64"},
	{"UInt64", `18446744073709551615`, "ffffffffffffffff"},
	{"UInt64", `1e400`, "out_of_range: want a number that fits in UInt64"},
	{"Float32", `1.5`, "0000c03f"},
	{"Float32", `1e39`, "out_of_range: want a number that fits in Float32"},
	{"Float64", `-0.1`, "9a9999999999b9bf"},
	{"Float64", `1e400`, "out_of_range: want a number that fits in Float64"},
	{"Decimal(9, 2)", `12.345`, "d2040000"},
	{"Decimal(9, 2)", `9999999.994`, "ffc99a3b"},
	{"Decimal(9, 2)", `9999999.995`, "out_of_range: want a number that fits in Decimal(9, 2)"},
	{"Decimal(18, 4)", `-29.99`, "846cfbffffffffff"},
	{"Decimal(38, 0)", `-1`, "ffffffffffffffffffffffffffffffff"},
	{"Decimal(38, 0)", `1e38`, "out_of_range: want a number that fits in Decimal(38, 0)"},
	{"Date", `"2026-01-15"`, "f44f"},
	{"Date", `"2149-06-07"`, "out_of_range: want a date that fits in Date"},
	{"Date", `"2026-02-30"`, "bad_time: want a date like 2026-01-15"},
	{"Date32", `"1900-01-01"`, "219cffff"},
	{"Date32", `"1899-12-31"`, "out_of_range: want a date that fits in Date32"},
	{"DateTime", `"2026-01-15T14:30:00.999Z"`, "e8f96869"},
	{"DateTime('Europe/Berlin')", `"2026-01-15T15:30:00+01:00"`, "e8f96869"},
	{"DateTime", `"1969-12-31T23:59:59Z"`, "out_of_range: want a time that fits in DateTime"},
	{"DateTime64(3, 'UTC')", `"1969-12-31T23:59:59.9995Z"`, "ffffffffffffffff"},
	{"DateTime64(9)", `"2262-04-11T23:47:15Z"`, "005e7291ffffff7f"},
	{"DateTime64(9)", `"2263-01-01T00:00:00Z"`, "out_of_range: want a time that fits in DateTime64(9)"},
	{"DateTime64(0)", `1768487400`, "wrong_type: want a time like 2026-01-15T14:30:00.123Z, got a number"},
	{"DateTime64(3)", `"2026-01-15T14:30:00"`, "bad_time: want a time like 2026-01-15T14:30:00.123Z, with a zone"},
	{"Enum8('a' = 1, 'it\\'s, = b' = -2)", `"it's, = b"`, "fe"},
	{"Enum8('a' = 1, 'b' = 2)", `"c"`, "unknown_value: want one of a, b, got another text"},
	{"Enum16('a' = 1000)", `"a"`, "e803"},
	{"Enum16('a' = 1000)", `1000`, "wrong_type: want one of a, got a number"},
	{"Int8", `null`, "missing_field: want a value of type Int8, got null"},
	{"Nullable(Int8)", `null`, "NULL 00"},
	{"Nullable(Decimal(9, 2))", `1`, "64000000"},
	{"Nullable(String)", `null`, "NULL "},
	{"LowCardinality(Nullable(String))", `"x"`, "78"},
}

// TestConvert goes through the conversions.
func TestConvert(t *testing.T) {
	for _, tc := range conversions {
		t.Run(tc.typ+" of "+tc.in, func(t *testing.T) {
			c := &config{table: "t"}
			p, err := newPlan(c, []tableColumn{{"first", "Nullable(String)", ""}, {"f", tc.typ, ""}})
			if err != nil {
				t.Fatal(err)
			}
			b := newBlock(p)
			rejection := b.append([]row{{doc: []byte(`{"f":` + tc.in + `}`)}})
			if got := outcome(b, rejection); got != tc.want {
				t.Errorf("%s into %s\n got %s\nwant %s", tc.in, tc.typ, got, tc.want)
			}
			if rejection != nil && rejection.Field != "f" {
				t.Errorf("field\n got %q\nwant f", rejection.Field)
			}
		})
	}
}

func outcome(b *block, r *event.Rejection) string {
	c := &b.columns[1]
	switch {
	case r != nil:
		return string(r.Reason) + ": " + r.Message
	case c.nullable && c.nulls[0] == 1:
		return "NULL " + hex.EncodeToString(c.data)
	}
	return hex.EncodeToString(c.data)
}

func TestLimits(t *testing.T) {
	for _, tc := range []struct{ typ, min, max, in, want string }{
		{"Decimal(18, 4)", "0", "10", "-0.00001", "out_of_range: want a number from 0 to 10"},
		{"Decimal(18, 4)", "0", "10", "-0", ""},
		{"Decimal(18, 4)", "0", "10", "10", ""},
		{"Decimal(18, 4)", "0", "10", "10.00001", "out_of_range: want a number from 0 to 10"},
		{"Int32", "-5", "", "-6", "out_of_range: want a number at least -5"},
		{"Int32", "", "5", "6", "out_of_range: want a number at most 5"},
		{"Float64", "0", "1.5", "1.6", "out_of_range: want a number from 0 to 1.5"},
		{"Date", "2020-01-01", "", `"2019-12-31"`, "out_of_range: want a date at least 2020-01-01"},
		{"DateTime64(3)", "", "2100-01-01T00:00:00Z", `"2100-01-01T00:00:00.000001Z"`, "out_of_range: want a time at most 2100-01-01T00:00:00Z"},
		{"DateTime64(3)", "", "2100-01-01T00:00:00Z", `"2100-01-01T00:00:00Z"`, ""},
		{"Nullable(Int8)", "1", "", "null", ""},
	} {
		c := &config{table: "t", limits: map[string]texts{"f": {min: tc.min, max: tc.max}}}
		p, err := newPlan(c, []tableColumn{{"f", tc.typ, ""}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r := newBlock(p).append([]row{{doc: []byte(`{"f":` + tc.in + `}`)}}); r != nil {
			got = string(r.Reason) + ": " + r.Message
		}
		if got != tc.want {
			t.Errorf("%s in [%s, %s] of %s\n got %q\nwant %q", tc.in, tc.min, tc.max, tc.typ, got, tc.want)
		}
	}
}

// TestBadRowLeavesNothingBehind compares a block that has seen bad rows with one
// that has not.
func TestBadRowLeavesNothingBehind(t *testing.T) {
	clean, mixed := eventsBlock(t), eventsBlock(t)
	good := eventRow(goodEvent)
	bad := map[string]string{
		"":                           "no_value (): want a JSON object, got a record without a value",
		"{}x":                        "malformed_json (): data after the object at byte 2",
		"{}":                         "missing_field (event_id): want a value of type UUID, got nothing",
		change("29.99", "-1"):        "out_of_range (price): want a number from 0 to 1000000000000",
		change("29.99", "1e13"):      "out_of_range (price): want a number from 0 to 1000000000000",
		change("29.99", `"29.99"`):   "wrong_type (price): want a number, got a string",
		change("29.99", "1e999"):     "out_of_range (price): want a number that fits in Decimal(18, 4)",
		change("29.99", "NaN"):       "malformed_json (): want a value at byte 129",
		change("purchase", "refund"): "unknown_value (event_type): want one of page_view, add_to_cart, purchase, remove_from_cart, got another text",
		change("2026-01-15T14:30:00.123Z", "yesterday"): "bad_time (timestamp): want a time like 2026-01-15T14:30:00.123Z, with a zone",
		change("2026-01-15T", "2101-01-15T"):            "out_of_range (timestamp): want a time from 1970-01-01T00:00:00Z to 2100-01-01T00:00:00Z",
		change("user_0042", strings.Repeat("é", 129)):   "out_of_range (user_id): want at most 256 bytes, got 258",
		change(`"user_0042"`, "null"):                   "missing_field (user_id): want a value of type String, got null",
	}
	for doc, want := range bad {
		if r := mixed.append(eventRow(doc)); r == nil || r.Error() != want {
			t.Errorf("append(%.60s)\n got %v\nwant %s", doc, r, want)
		}
		if r := mixed.append([]row{good[0], eventRow(doc)[0], good[0]}); r == nil || r.Error() != want {
			t.Errorf("append among good ones (%.60s)\n got %v\nwant %s", doc, r, want)
		}
		if r := mixed.append(good); r != nil {
			t.Fatal(r)
		}
		if r := clean.append(good); r != nil {
			t.Fatal(r)
		}
	}
	if r := mixed.append([]row{{doc: []byte(goodEvent)}}); r == nil || r.Reason != event.ReasonMissing {
		t.Errorf("a message without coordinate\n got %v\nwant missing_field", r)
	}
	sameBlocks(t, mixed, clean)
}

func change(from, to string) string { return strings.Replace(goodEvent, from, to, 1) }

func sameBlocks(t *testing.T, got, want *block) {
	t.Helper()
	got.fill()
	want.fill()
	if got.rows != want.rows || got.bytes != want.bytes {
		t.Errorf("block\n got %d rows of %d bytes\nwant %d rows of %d bytes", got.rows, got.bytes, want.rows, want.bytes)
	}
	for i := range want.columns {
		g, w := &got.columns[i], &want.columns[i]
		if !bytes.Equal(g.data, w.data) || fmt.Sprint(g.ends) != fmt.Sprint(w.ends) || !bytes.Equal(g.nulls, w.nulls) {
			t.Errorf("column %s\n got %x\nwant %x", w.column, g.data, w.data)
		}
	}
}

// FuzzBlock: whatever a message holds, it becomes one whole row or leaves nothing
// behind, and the driver takes the block.
func FuzzBlock(f *testing.F) {
	for _, doc := range []string{goodEvent, "{}", change("29.99", "-1"), change("user_0042", `\ud83d\ude00`), change(`"prod_123"`, "null")} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		b, rows := eventsBlock(t), 2
		for i, d := range []string{goodEvent, string(doc), goodEvent} {
			if r := b.append(eventRow(d)); r == nil && i == 1 {
				rows++
			}
		}
		b.fill()
		columns, _ := driverColumns(t, b.plan)
		if err := newServer(eventsConfig(), nil).fill(columns, b, 0, b.rows); err != nil {
			t.Fatal(err)
		}
		for _, c := range columns {
			if c.Rows() != rows {
				t.Fatalf("column %s\n got %d rows\nwant %d", c.Name(), c.Rows(), rows)
			}
		}
	})
}

// TestDictionary shows the form of LowCardinality on the wire, of a part of the rows.
func TestDictionary(t *testing.T) {
	p, err := newPlan(&config{table: "t"}, []tableColumn{{"f", "LowCardinality(Nullable(String))", ""}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBlock(p)
	for _, v := range []string{`"skipped"`, `"b"`, `null`, `""`, `"b"`, `"a"`} {
		if r := b.append([]row{{doc: []byte(`{"f":` + v + `}`)}}); r != nil {
			t.Fatal(r)
		}
	}
	got := hex.EncodeToString(b.columns[0].dictionary(nil, 1, 6))
	want := "0006000000000000" + "0400000000000000" + "00" + "00" + "0162" + "0161" + "0500000000000000" + "0200010203"
	if got != want {
		t.Errorf("dictionary\n got %s\nwant %s", got, want)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	b := eventsBlock(t)
	r := eventRow(goodEvent)
	escaped := eventRow(change("user_0042", `user\u005f0042`))
	for range 1000 {
		b.append(r)
		b.append(escaped)
	}
	b.reset()
	got := testing.AllocsPerRun(500, func() {
		if b.append(r) != nil || b.append(escaped) != nil {
			t.Fatal("rejected")
		}
	})
	if got != 0 {
		t.Errorf("allocations per row\n got %v\nwant 0", got)
	}
}

// BenchmarkBlockAppend: one event into the columns of `events`, coordinates
// included; what an insert does with the block is not in it.
func BenchmarkBlockAppend(b *testing.B) {
	blk := eventsBlock(b)
	rows := slices.Repeat(eventRow(goodEvent), chunkRows)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(rows) {
		if blk.append(rows) != nil {
			b.Fatal("rejected")
		}
		if blk.rows >= 100_000 {
			blk.reset()
		}
	}
}

// BenchmarkFill: handing 100,000 rows to the driver's columns and encoding them.
func BenchmarkFill(b *testing.B) {
	blk := eventsBlock(b)
	for i := range 100_000 {
		doc := strings.Replace(change("user_0042", fmt.Sprintf("user_%04d", i%500)), "prod_123", fmt.Sprintf("prod_%03d", i%300), 1)
		if r := blk.append(eventRow(doc)); r != nil {
			b.Fatal(r)
		}
	}
	blk.fill()
	s := newServer(eventsConfig(), nil)
	b.ReportAllocs()
	for b.Loop() {
		columns, buffer := driverColumns(b, blk.plan)
		if err := s.fill(columns, blk, 0, blk.rows); err != nil {
			b.Fatal(err)
		}
		for _, c := range columns {
			c.Encode(buffer)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(blk.rows), "ns/row")
}

package clickhouse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"defaults":         {"table: t", "<nil>"},
		"no table":         {"table: ''", "table: want a name"},
		"address":          {"table: t\naddresses: [localhost]", `addresses: want host:port, got "localhost", which has no port`},
		"no address":       {"table: t\naddresses: [' , ']", "addresses: want at least one host:port, got none"},
		"max_rows":         {"table: t\nmax_rows: 0", "max_rows: want 1 to 1000000, got 0"},
		"max_bytes":        {"table: t\nmax_bytes: 1", "max_bytes: want 1024 to 536870912, got 1"},
		"max_in_flight":    {"table: t\nmax_in_flight: 0", "max_in_flight: want 1 to 1048576, got 0"},
		"flush_interval":   {"table: t\nflush_interval: 0s", "flush_interval: want more than 0, got 0s"},
		"unknown source":   {"table: t\ncolumns: {'@when': c}", `columns: no source "@when" (want one of @reason, @field, @message, @value, @key, @topic, @time, @stream, @partition, @offset)`},
		"column twice":     {"table: t\ncolumns: {a: c, b: c}", `columns: fields "a" and "b" both fill column "c"`},
		"empty limit":      {"table: t\nlimits: {a: {}}", "limits: a: want min, max or both, or max_bytes"},
		"no length":        {"table: t\nlimits: {a: {max_bytes: 0}}", "limits: a: max_bytes: want 1 or more, got 0"},
		"length and order": {"table: t\nlimits: {a: {max_bytes: 1, min: 2}}", "limits: a: want min and max, or max_bytes: a field is a number, a time or a text"},
		"owner source":     {"table: t\ncolumns: {'@owner': c}", `columns: no source "@owner" (want one of @reason, @field, @message, @value, @key, @topic, @time, @stream, @partition, @offset)`},
		"once, slow":       {"table: t\nexactly_once: true\ninsert_timeout: 16s", "insert_timeout: want at most 15s with exactly_once, got 16s"},
		"once, servers":    {"table: t\nexactly_once: true\naddresses: ['a:1,b:2']", "exactly_once: want one address, got 2: a table and its fence are on one server"},
		"limit of a list":  {"table: t\nlimits: {a: {min: []}}", "limits: a: min: want a number or a text"},
	} {
		t.Run(name, func(t *testing.T) {
			pc, err := spec().ParseYAML(tc.yaml, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parse(pc)
			if got := fmt.Sprint(err); got != tc.want {
				t.Errorf("parse(%q)\n got %s\nwant %s", tc.yaml, got, tc.want)
			}
		})
	}
}

func TestParseValues(t *testing.T) {
	pc, err := spec().ParseYAML(`
addresses: ["a:1, b:2", "c:3"]
table: t
limits: {price: {min: 0, max: 1000000000000}, rate: {max: 1.5e300}, at: {min: "1970-01-01T00:00:00Z"}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parse(pc)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.addresses, c.limits["price"], len(c.limits["rate"].max), c.limits["at"], c.maxRows, c.maxBytes, c.flushInterval, c.maxInFlight)
	if want := "[a:1 b:2 c:3] {0 1000000000000 0} 301 {1970-01-01T00:00:00Z  0} 250000 15728640 500ms 256"; got != want {
		t.Errorf("config\n got %s\nwant %s", got, want)
	}
}

// TestLint: what is wrong with a duration or a name is found before anything runs.
func TestLint(t *testing.T) {
	for yaml, want := range map[string]string{
		"table: t":                                                    "",
		"table: t\nflush_interval: soon":                              "want a duration above 0",
		"table: t\ninsert_timeout: 0s":                                "want a duration above 0",
		"table: t\nprotocol: grpc":                                    "grpc",
		"table: t\nmax_row: 1":                                        "max_row",
		"table: t\nlimits: {a: {least: 1}}":                           "least",
		"addresses: [a:1]":                                            "table",
		"table: t\nlimits: {a: {min: 1970}}":                          "",
		"table: t\nexactly_once: true":                                "",
		"table: t\nexactly_once: true\ninsert_timeout: 16s":           "want at most 15s",
		"table: t\nexactly_once: true\naddresses: ['a:1', 'b:2,c:3']": "want one address",
		"table: t\ninsert_timeout: 16s":                               "",
	} {
		b := service.NewStreamBuilder()
		err := b.AddOutputYAML("clickhouse:\n  " + strings.ReplaceAll(yaml, "\n", "\n  "))
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("lint of %q\n got %s\nwant %s", yaml, got, want)
		}
	}
}

// TestTableFits: what newPlan says about tables that do not fit, and which columns
// it fills of those that do.
func TestTableFits(t *testing.T) {
	all := []tableColumn{{"a", "String", ""}, {"b", "Int32", "DEFAULT"}, {"c", "Nullable(Int8)", ""}, {"d", "Int8", "ALIAS"}, {"e", "Int8", "EPHEMERAL"}}
	for name, tc := range map[string]struct {
		config config
		want   string
	}{
		"by name":      {config{}, "INSERT INTO `t` (`a`, `c`)"},
		"mapped":       {config{columns: map[string]string{"x": "b", "y": "a"}}, "INSERT INTO `t` (`a`, `b`)"},
		"missing":      {config{columns: map[string]string{"x": "z", "y": "a"}}, "table t has no column z, which field x wants (columns: a, b, c, d, e)"},
		"empty":        {config{columns: map[string]string{"x": "b"}}, "column a of t has no default, and no field fills it: add it to `columns`, or give it a default"},
		"alias":        {config{columns: map[string]string{"x": "d", "y": "a"}}, "field x cannot fill column d of t: the server computes it (ALIAS)"},
		"coordinates":  {config{coordinates: true}, "has no column "},
		"limit":        {config{limits: map[string]texts{"q": {min: "1"}}}, "limits: no column of t takes field q"},
		"limit, order": {config{limits: map[string]texts{"a": {min: "1"}}}, "field a cannot fill column a of t: limits: type String has no order: want a number or a time"},
		"limit, text":  {config{limits: map[string]texts{"c": {maxBytes: 5}}}, "field c cannot fill column c of t: limits: max_bytes is for texts, type Nullable(Int8) has a length of its own"},
		"limit, scale": {config{limits: map[string]texts{"c": {min: "1.5"}}}, "field c cannot fill column c of t: limits: want a number of at most 0 digits after the point, got 1.5"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.config.table = "t"
			p, err := newPlan(&tc.config, all)
			got := fmt.Sprint(err)
			if err == nil {
				got = p.query
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("newPlan\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// FuzzType: no type that a server may show makes the parser fail otherwise than by
// an error.
func FuzzType(f *testing.F) {
	for _, c := range eventsTable {
		f.Add(c.typ)
	}
	f.Add("Nullable(Enum16('a\\'' = -5, 'b)' = 2))")
	f.Add("LowCardinality(Nullable(FixedString(16)))")
	f.Add("DateTime64(9, 'Asia/Tokyo')")
	f.Fuzz(func(t *testing.T, name string) {
		typ, err := parseType(name)
		if (err == nil) == (typ.convert == nil) {
			t.Errorf("parseType(%q)\n got %v and %v", name, typ.convert, err)
		}
	})
}

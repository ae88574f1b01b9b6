package page

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestUnits(t *testing.T) {
	none, two := 0, 2
	for _, tc := range []struct {
		unit     string
		decimals *int
		value    float64
		want     string
	}{
		{"", nil, 0, "0"}, {"", nil, 1234567, "1234567"}, {"", nil, 0.123456, "0.123"}, {"", nil, 12.3456, "12.3"}, {"", nil, 1234.5678, "1235"},
		{"", &two, 1.005, "1.00"}, {"", nil, -0.5, "-0.5"}, {"", &none, -0.2, "0"}, {"", nil, 1e-9, "0.000000001"},
		{"short", nil, 999, "999"}, {"short", nil, 1500, "1.5 K"}, {"short", nil, 2500000, "2.5 Mil"}, {"short", &none, 3365, "3 K"},
		{"locale", nil, 1234567, "1,234,567"}, {"locale", &two, -1234.5, "-1,234.50"}, {"locale", nil, 123, "123"},
		{"currencyUSD", &two, 1629.15, "$1.63K"}, {"currencyUSD", &two, 277.9, "$277.90"}, {"currencyUSD", &two, -5, "-$5.00"},
		{"percentunit", nil, 0.06, "6%"}, {"percentunit", &two, 0.12345, "12.35%"}, {"percent", nil, 12.5, "12.5%"},
		{"bytes", nil, 1536, "1.5 KiB"}, {"decbytes", nil, 1500, "1.5 kB"}, {"bytes", nil, 0, "0 B"},
		{"ms", nil, 0, "0 ms"}, {"ms", nil, 533, "533 ms"}, {"ms", nil, 1500, "1.5 s"}, {"ms", nil, 90000, "1.5 mins"}, {"ms", nil, 0.25, "250 µs"},
		{"s", nil, 0, "0 s"}, {"s", nil, 0.5, "500 ms"}, {"s", nil, 7200, "2 hours"}, {"s", nil, -3, "-3 s"},
		{"cps", nil, 100, "100 c/s"}, {"cps", nil, 1500, "1.5K c/s"},
		{"dateTimeAsIso", nil, 1768487410400, "2026-01-15 14:30:10 UTC"}, {"dateTimeAsUS", nil, 0, "01/01/1970 12:00:00 am UTC"},
		{"nonsense", nil, 5, "5"},
	} {
		f := Field{Unit: tc.unit, Decimals: tc.decimals, Kind: kindNumber}
		if got := f.text(tc.value); got != tc.want {
			t.Errorf("%v in %q: got %q, want %q", tc.value, tc.unit, got, tc.want)
		}
	}
	for name, u := range units {
		if len(u.Scale) != len(u.Suffixes) || u.Factor == 0 {
			t.Errorf("unit %s: %+v: want a suffix for each step", name, u)
		}
	}
}

func TestMappings(t *testing.T) {
	var f Field
	err := json.Unmarshal([]byte(`{"mappings":[
		{"type":"value","options":{"0":{"text":"none","color":"green","index":0},"up":{"text":"fine"}}},
		{"type":"range","options":{"from":1,"to":10,"result":{"text":"a few","color":"orange"}}},
		{"type":"range","options":{"from":100,"result":{"color":"red"}}},
		{"type":"special","options":{"match":"null+nan","result":{"text":"nothing"}}},
		{"type":"special","options":{"match":"true","result":{"text":"yes"}}},
		{"type":"regex","options":{"pattern":"/^prod_(.*)$/","result":{"text":"product $1"}}}]}`), &f)
	if err != nil {
		t.Fatal(err)
	}
	f.NoValue = "-"
	for want, value := range map[string]any{
		"none green": 0.0, "a few orange": int64(10), "50 green": 50.0, "100 red": uint64(100), "nothing green": nil, "yes green": true,
		"false green": false, "fine green": "up", "product 7 green": "prod_7", "other green": "other",
	} {
		if got := f.text(value) + " " + f.colorOf(value, 0); got != want {
			t.Errorf("%v: got %q, want %q", value, got, want)
		}
	}
	for _, bad := range []string{`[{"type":"spell","options":{}}]`, `[{"type":"regex","options":{"pattern":"("}}]`, `[{"type":"value","options":5}]`} {
		if err := json.Unmarshal([]byte(`{"mappings":`+bad+`}`), new(Field)); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

func TestThresholds(t *testing.T) {
	var f Field
	if err := json.Unmarshal([]byte(`{"min":0,"max":200,"thresholds":[{"color":"green","value":null},{"color":"orange","value":50},{"color":"red","value":80}]}`), &f); err != nil {
		t.Fatal(err)
	}
	for _, absolute := range []bool{true, false} {
		f.absolute = absolute
		var got []string
		for _, v := range []any{nil, -1.0, 50.0, 80.0, 100.0, 160.0} {
			got = append(got, f.colorOf(v, 0))
		}
		want := "green green orange red red red"
		if !absolute { // of 200
			want = "green green green green orange red"
		}
		if strings.Join(got, " ") != want {
			t.Errorf("absolute %t: got %v, want %s", absolute, got, want)
		}
	}
}

func TestReducers(t *testing.T) {
	values := []any{nil, 4.0, int64(1), nil, uint64(7), nil}
	for name, want := range map[string]any{
		"lastNotNull": uint64(7), "last": nil, "firstNotNull": 4.0, "first": nil, "count": 6.0, "sum": 12.0, "min": 1.0, "max": 7.0, "mean": 4.0, "range": 6.0,
	} {
		if got := reducers[name](values); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if got := reducers[name](nil); got != nil && name != "count" {
			t.Errorf("%s of nothing: got %v, want nil", name, got)
		}
	}
}

// TestSeries: rows of the same time come side by side, and missing points are gaps.
func TestSeries(t *testing.T) {
	at := column{name: "time", kind: kindTime, values: []any{int64(1), int64(1), int64(2), int64(3)}}
	kind := column{name: "type", kind: kindString, values: []any{"a", "b", "b", "a"}}
	n := column{name: "n", kind: kindNumber, values: []any{10.0, 20.0, 21.0, 12.0}}
	m := column{name: "m", kind: kindNumber, values: []any{1.0, 2.0, 3.0, 4.0}}
	show := func(columns []column, err error) string {
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, c := range columns {
			out = append(out, fmt.Sprint(c.display(""), c.values))
		}
		return strings.Join(out, " ")
	}
	for name, tc := range map[string]struct {
		columns []column
		want    string
	}{
		"long":      {[]column{kind, at, n}, "time[1 2 3] a[10 <nil> 12] b[20 21 <nil>]"},
		"two":       {[]column{at, kind, n, m}, "time[1 2 3] n type=a[10 <nil> 12] m type=a[1 <nil> 4] n type=b[20 21 <nil>] m type=b[2 3 <nil>]"},
		"wide":      {[]column{n, at, m}, "time[1 1 2 3] n[10 20 21 12] m[1 2 3 4]"},
		"no time":   {[]column{n}, "a time series wants a column of times, got none (alias it as time)"},
		"no rows":   {[]column{{name: "n", kind: kindNumber}}, ""},
		"unsorted":  {[]column{{name: "time", kind: kindTime, values: []any{int64(2), int64(1)}}, {name: "n", kind: kindNumber, values: []any{1.0, 2.0}}}, errUnsorted.Error()},
		"same name": {[]column{at, {name: "x", kind: kindString, values: []any{"1:a", "1", "1:a", "1"}}, n}, "time[1 2 3] 1:a[10 21 <nil>] 1[20 <nil> 12]"},
	} {
		if got := show(series(tc.columns)); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

func TestTransformations(t *testing.T) {
	columns := []column{
		{name: "a", kind: kindNumber, values: []any{2.0, nil, 1.0}}, {name: "b", kind: kindString, values: []any{"x", "y", "z"}}, {name: "c", kind: kindBool, values: []any{true, true, false}},
	}
	for options, want := range map[string]string{
		`organize {"excludeByName":{"c":true},"indexByName":{"b":0,"a":1},"renameByName":{"a":"A"}}`: "b[x y z] A[2 <nil> 1]",
		`sortBy {"sort":[{"field":"a"}]}`:             "a[<nil> 1 2] b[y z x] c[true false true]",
		`sortBy {"sort":[{"field":"a","desc":true}]}`: "a[2 1 <nil>] b[x z y] c[true false true]",
		`sortBy {"sort":[{"field":"none"}]}`:          "a[2 <nil> 1] b[x y z] c[true true false]",
		`limit {"limitField":2}`:                      "a[2 <nil>] b[x y] c[true true]",
	} {
		id, raw, _ := strings.Cut(options, " ")
		change, err := parseTransformation(transformationJSON{ID: id, Options: json.RawMessage(raw)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range change(columns) {
			got = append(got, fmt.Sprint(c.name, c.values))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s\n got %s\nwant %s", options, strings.Join(got, " "), want)
		}
	}
	if got := fmt.Sprint(columns[0].values); got != "[2 <nil> 1]" {
		t.Errorf("the answer itself has changed: %s", got)
	}
}

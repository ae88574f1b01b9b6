package page

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// q is a range of 1,000 s that begins and ends within a second.
var q = Query{
	From:     time.UnixMilli(1_700_000_000_123),
	To:       time.UnixMilli(1_700_001_000_456),
	Interval: 2500 * time.Millisecond,
	Variables: map[string][]string{
		"type":   {"purchase"},
		"types":  {"purchase", "it's"},
		"every":  {"$__all"},
		"nobody": {},
	},
}

// TestExpand holds the expansions of the data source, as its documentation and
// source give them.
func TestExpand(t *testing.T) {
	for sql, want := range map[string]string{
		"$__timeFilter(c)":            "c >= toDateTime(1700000000) AND c <= toDateTime(1700001000)",
		"$__timeFilter_ms(c)":         "c >= fromUnixTimestamp64Milli(1700000000123) AND c <= fromUnixTimestamp64Milli(1700001000456)",
		"$__dateFilter(c)":            "c >= toDate('2023-11-14') AND c <= toDate('2023-11-14')",
		"$__dateTimeFilter(d, t)":     "(d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')) AND (t >= toDateTime(1700000000) AND t <= toDateTime(1700001000))",
		"$__dt(d,t)":                  "(d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')) AND (t >= toDateTime(1700000000) AND t <= toDateTime(1700001000))",
		"$__fromTime":                 "toDateTime(1700000000)",
		"$__toTime":                   "toDateTime(1700001000)",
		"$__fromTime_ms":              "fromUnixTimestamp64Milli(1700000000123)",
		"$__toTime_ms":                "fromUnixTimestamp64Milli(1700001000456)",
		"$__timeFrom(c)":              "c >= toDateTime(1700000000)",
		"$__timeTo(c)":                "c <= toDateTime(1700001000)",
		"$__timeInterval(c)":          "toStartOfInterval(toDateTime(c), INTERVAL 2 second)",
		"$__timeInterval_ms(c)":       "toStartOfInterval(toDateTime64(c, 3), INTERVAL 2500 millisecond)",
		"$__interval_s":               "2",
		"$__interval_ms":              "2500",
		"$__interval":                 "2500ms",
		"$__timeGroup(c, 5m)":         "toStartOfInterval(toDateTime(c), INTERVAL 300 second)",
		"$__timeGroup(c, '1h30m')":    "toStartOfInterval(toDateTime(c), INTERVAL 5400 second)",
		"$__timeFilter( f(a, b)[1] )": "f(a, b)[1] >= toDateTime(1700000000) AND f(a, b)[1] <= toDateTime(1700001000)",
		"$__timeInterval_ms($__toTime_ms - INTERVAL 2 SECOND)": "toStartOfInterval(toDateTime64(fromUnixTimestamp64Milli(1700001000456) - INTERVAL 2 SECOND, 3), INTERVAL 2500 millisecond)",
		"count() / ($__interval_ms / 1000)":                    "count() / (2500 / 1000)",

		"$__conditionalAll(a = ${type:singlequote}, $type)":        "a = 'purchase'",
		"$__conditionalAll(a IN (${every:singlequote}), ${every})": "1=1",
		"$__conditionalAll(a IN (1, 2), $nobody)":                  "1=1",
		"$__conditionalAll(a IN (1, 2), $unknown)":                 "1=1",
		"a = $type AND b IN ($types) AND c = '[[type]]'":           `a = purchase AND b IN ('purchase','it\'s') AND c = 'purchase'`,
		"${types:raw}": "purchase,it's",

		"'$__fromTime' \"$__toTime\" `$__interval_s`": "'$__fromTime' \"$__toTime\" `$__interval_s`",
		`'\'$__fromTime' $__fromTime`:                 `'\'$__fromTime' toDateTime(1700000000)`,
		"'''$__fromTime'":                             "'''$__fromTime'",
		"$a$ $__fromTime $a$":                         "$a$ $__fromTime $a$",
		"1 -- $__fromTime\n+ 2 /* $__toTime */":       "1 \n+ 2 ",
		"$__unknown(1) $unset $ $$ ${} [[x":           "$__unknown(1) $unset $ $$ ${} [[x",
		"":                                            "",
	} {
		got, err := Expand(sql, q)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("Expand(%q)\n got %s\nwant %s", sql, got, want)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	for sql, want := range map[string]string{
		"$__timeFilter":             "$__timeFilter: want 1 arguments, got 0",
		"$__timeFilter(a, b)":       "$__timeFilter: want 1 arguments, got 2",
		"$__timeFilter(a":           "$__timeFilter: missing )",
		"$__timeGroup(c, 5 apples)": "$__timeGroup: interval: ",
		"$__conditionalAll(a)":      "$__conditionalAll: want 2 arguments, got 1",
		"$__conditionalAll(a, $b":   "$__conditionalAll: missing )",
		"${type:csv}":               "variable type: want format singlequote or raw, got \"csv\"",
	} {
		got, err := Expand(sql, q)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Expand(%q)\n got %q, %v\nwant error %s", sql, got, err, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, sql := range []string{
		"SELECT $__timeInterval_ms(t) FROM e WHERE $__timeFilter_ms(t) -- x\n", "'$__a' `b` $t$ $__x $t$",
		"$__conditionalAll(a IN (${types:singlequote}), $types)", "$__timeFilter((", "[[x]] ${y:z", "/* $__toTime",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		got, err := Expand(sql, q)
		if err == nil && !strings.ContainsAny(sql, "$[-/") && got != sql {
			t.Errorf("Expand changed text without a macro\n got %q\nwant %q", got, sql)
		}
	})
}

func TestInterval(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	for name, tc := range map[string]struct {
		span   time.Duration
		points int
		lowest time.Duration
		want   string
	}{
		"5 minutes on a wide panel":    {5 * time.Minute, 1000, time.Second, "1s"},
		"5 minutes without a minimum":  {5 * time.Minute, 1000, 0, "200ms"},
		"15 minutes on a narrow panel": {15 * time.Minute, 300, time.Second, "2s"},
		"6 hours":                      {6 * time.Hour, 1000, time.Second, "20s"},
		"a week":                       {7 * day, 1000, time.Second, "10m"},
		"ten years":                    {10 * year, 2, 0, "1y"},
		"no points":                    {time.Hour, 0, 0, "1h"},
		"half a minute":                {30 * time.Second, 1, 0, "30s"},
		"nothing":                      {0, 100, 0, "1ms"},
	} {
		got := Interval(at, at.Add(tc.span), tc.points, tc.lowest)
		if text := intervalText(got); text != tc.want {
			t.Errorf("%s: got %s, want %s", name, text, tc.want)
		}
	}
}

// TestIntervalRounds checks each limit of Grafana's table from both sides.
func TestIntervalRounds(t *testing.T) {
	var got []string
	at := time.Unix(0, 0)
	for _, s := range steps {
		below, above := Interval(at, at.Add(s.below-1), 1, 0), Interval(at, at.Add(s.below), 1, 0)
		if below != s.width || above <= below {
			t.Errorf("at %s\n got %s below, %s above\nwant %s below, more above", s.below, below, above, s.width)
		}
		got = append(got, fmt.Sprint(s.width.Milliseconds()))
	}
	want := "1 10 20 50 100 200 500 1000 2000 5000 10000 15000 20000 30000 60000 120000 300000 600000 900000 " +
		"1200000 1800000 3600000 7200000 10800000 21600000 43200000 86400000 604800000 2592000000"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("widths in ms\n got %s\nwant %s", text, want)
	}
}

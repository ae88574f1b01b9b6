package page

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// asked is when the requests of these tests are made.
var asked = time.UnixMilli(1_800_000_000_000)

func requestBoard(t testing.TB) *Board {
	t.Helper()
	b, err := ParseBoard([]byte(`{"uid":"b","title":"B","time":{"from":"now-15m","to":"now"},"panels":[],"templating":{"list":[
		{"name":"type","type":"custom","query":"page_view, Sold : purchase, a\\,b","multi":true,"includeAll":true,"current":{"value":["$__all"]}},
		{"name":"one","type":"custom","query":"x,y","current":{"value":"y"}},
		{"name":"user","type":"textbox","query":"nobody"},
		{"name":"product","type":"query","query":"SELECT DISTINCT product_id FROM events","includeAll":true,"datasource":{"type":"grafana-clickhouse-datasource","uid":"c"}},
		{"name":"width","type":"interval","query":"1m,10m"},
		{"name":"fixed","type":"constant","query":"42"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Unknown) > 0 {
		t.Fatalf("unknown: %q", b.Unknown)
	}
	return b
}

func TestRequestRange(t *testing.T) {
	b := requestBoard(t)
	now := asked.UnixMilli()
	for query, want := range map[string]string{
		"":               "15m0s 600",
		"range=24h":      "24h0m0s 600",
		"points=1":       "15m0s 100",
		"points=601":     "15m0s 1000",
		"points=1000000": "15m0s 2400",
		fmt.Sprintf("from=%d&to=%d", now-1000, now):          "1s 600",
		fmt.Sprintf("from=%d&to=%d", now-1000, now+999_999):  "1s 600", // the future is cut off
		fmt.Sprintf("from=%d&to=%d", now-365*86400_000, now): "8760h0m0s 600",
		"range=7y":                               `range: want one of 5m, 15m, 1h, 6h, 24h, got "7y"`,
		"range=-5m":                              `range: want one of 5m, 15m, 1h, 6h, 24h, got "-5m"`,
		"points=0":                               `points: want a number from 1, got "0"`,
		"points=many":                            `points: want a number from 1, got "many"`,
		"from=1":                                 `from and to: want both, in milliseconds since 1970, got "1" and ""`,
		"from=now-5m&to=now":                     `from and to: want both, in milliseconds since 1970, got "now-5m" and "now"`,
		"from=-5&to=5":                           "from and to: want times since 1970, got -5 and 5",
		fmt.Sprintf("from=%d&to=%d", now, now-1): fmt.Sprintf("from and to: want from before to, got %d and %d", now, now-1),
		fmt.Sprintf("from=%d&to=%d", now, now):   fmt.Sprintf("from and to: want from before to, got %d and %d", now, now),
		fmt.Sprintf("from=%d&to=%d", now+1, now+2):              "from and to: the range lies in the future",
		fmt.Sprintf("from=%d&to=%d", now-10*365*86400_000, now): "from and to: want at most 366 days, got 3650",
		"from=0&to=9223372036854775807":                         "from and to: want at most 366 days, got 20833",
		"from=99999999999999999999&to=1":                        `from and to: want both, in milliseconds since 1970, got "99999999999999999999" and "1"`,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseRequest(b, q, asked)
		from, to := r.bounds(asked)
		got := fmt.Sprint(to.Sub(from), r.points)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}

func TestRequestVariables(t *testing.T) {
	b := requestBoard(t)
	for query, want := range map[string]string{
		"":                                        "type=[$__all] one=[y] user=[nobody] product=[$__all] width=[1m] fixed=[42]",
		"var-type=purchase&var-type=page_view":    "type=[purchase page_view] one=[y] user=[nobody] product=[$__all] width=[1m] fixed=[42]",
		"var-type=a,b":                            "type=[a,b] one=[y] user=[nobody] product=[$__all] width=[1m] fixed=[42]",
		"var-user=%27)%20OR%201=1--&other=1":      "type=[$__all] one=[y] user=[') OR 1=1--] product=[$__all] width=[1m] fixed=[42]",
		"var-product=anything&var-width=10m":      "type=[$__all] one=[y] user=[nobody] product=[anything] width=[10m] fixed=[42]",
		"var-type=refund":                         "variable type: want one of its 3 options",
		"var-one=x&var-one=y":                     "variable one: want one value, got 2",
		"var-one=$__all":                          "variable one: want one of its 2 options",
		"var-fixed=43":                            "variable fixed: want one of its 1 options",
		"var-nobody=1":                            `variable "nobody": the board has none of this name`,
		"var-user=" + strings.Repeat("x", 10_000): "variable user: want a value of at most 1000 bytes, got 10000",
		"var-user=%ff":                            "variable user: want text in UTF-8",
		"var-user=%00":                            "variable user: want text in UTF-8",
		strings.Repeat("var-type=purchase&", 101): "variable type: want at most 100 values, got 101",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseRequest(b, q, asked)
		var parts []string
		for _, v := range b.Variables {
			parts = append(parts, fmt.Sprintf("%s=%v", v.Name, r.variables[v.Name]))
		}
		got := strings.Join(parts, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.60s\n got %s\nwant %s", query, got, want)
		}
	}
}

// FuzzRequest: whatever a browser sends, the range is one that can be asked for and
// every value of a closed list is on it.
func FuzzRequest(f *testing.F) {
	b := requestBoard(f)
	f.Add("range=5m&points=300&var-type=purchase&var-user=%27")
	f.Add("from=1&to=2&var-type=$__all")
	f.Add("from=9223372036854775807&to=-9223372036854775808")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		r, err := parseRequest(b, q, asked)
		if err != nil {
			return
		}
		from, to := r.bounds(asked)
		if !from.Before(to) || to.After(asked) || to.Sub(from) > maxSpan || r.points < 1 || r.points > sizes[len(sizes)-1] {
			t.Errorf("%q: range %s to %s, %d points", query, from, to, r.points)
		}
		for _, v := range b.Variables {
			if err := v.accept(r.variables[v.Name]); err != nil {
				t.Errorf("%q: %v", query, err)
			}
		}
		if sql, err := Expand("a = ${user:singlequote} AND $__timeFilter_ms(t)", Query{From: from, To: to, Variables: r.variables}); err != nil || !quotedOnly(sql) {
			t.Errorf("%q: %q, %v", query, sql, err)
		}
	})
}

// quotedOnly tells whether an expanded condition is one string and one filter.
func quotedOnly(sql string) bool {
	rest, ok := strings.CutPrefix(sql, "a = ")
	if !ok {
		return false
	}
	text, kind := next(rest)
	return kind == quoted && strings.HasPrefix(rest[len(text):], " AND t >= fromUnixTimestamp64Milli(")
}

package demo

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

func flowing() status {
	return status{
		up: 72 * time.Second, rated: true, produced: 99.8, stored: 100.4, lag: 1051,
		recent: recent{views: 26701, carts: 2400, purchases: 899, revenue: decimal.RequireFromString("45678.905"), freshness: 583 * time.Millisecond},
	}
}

func TestStatusLine(t *testing.T) {
	full := "1m12s  produced 100/s  stored 100/s  lag 1,051  p99 0.58 s  | 5 min: revenue 45,678.91  views 26,701  carts 2,400  purchases 899"
	removing := flowing()
	removing.removals = 12
	stuck := flowing()
	stuck.instead = "clickhouse 127.0.0.1:9000 does not answer"
	for name, tc := range map[string]struct {
		status status
		width  int
		want   string
	}{
		"any width":   {flowing(), 0, full},
		"just enough": {flowing(), len(full), full},
		"120 columns": {flowing(), 119, "1m12s  produced 100/s  stored 100/s  lag 1,051  p99 0.58 s  | 5 min: revenue 45,678.91"},
		"80 columns":  {flowing(), 79, "1m12s  produced 100/s  stored 100/s  lag 1,051  p99 0.58 s"},
		"50 columns":  {flowing(), 49, "1m12s  produced 100/s  stored 100/s  lag 1,051"},
		"30 columns":  {flowing(), 29, "1m12s  stored 100/s"}, // never a part of a number
		"10 columns":  {flowing(), 10, "1m12s"},
		"4 columns":   {flowing(), 4, "1m12"},
		"trouble, 20": {stuck, 20, "1m12s  clickhouse 12"},
		"removals":    {removing, 0, full + "  removals 12"},
		"trouble":     {stuck, 0, "1m12s  clickhouse 127.0.0.1:9000 does not answer"},
		"nothing yet": {status{}, 0, "0s  produced -/s  stored -/s  lag 0  p99 -  | 5 min: revenue 0.00  views 0  carts 0  purchases 0"},
	} {
		t.Run(name, func(t *testing.T) {
			got := statusLine(tc.status, tc.width)
			if got != tc.want {
				t.Errorf("statusLine:\n got %q\nwant %q", got, tc.want)
			}
			if tc.width > 0 && utf8.RuneCountInString(got) > tc.width {
				t.Errorf("%d characters, want at most %d", utf8.RuneCountInString(got), tc.width)
			}
		})
	}
}

func TestRates(t *testing.T) {
	var r rates
	at := time.Unix(1_000_000, 0)
	if _, _, ok := r.add(counters{at, 1000, 900}); ok {
		t.Error("one sample gave a rate")
	}
	for i := 1; i <= 60; i++ { // 100 a second, and stored in jumps of 50 and 150
		at = at.Add(time.Second)
		stored := int64(900 + 100*i + 25*(i%2*2-1))
		produced, kept, ok := r.add(counters{at, 1000 + int64(i)*100, stored})
		if !ok || produced != 100 {
			t.Fatalf("second %d: produced %v, %t; want 100, true", i, produced, ok)
		}
		if i > 5 && (kept < 89 || kept > 111) {
			t.Errorf("second %d: stored %v a second, want 100 +-10", i, kept)
		}
	}
	if len(r.seen) > 7 {
		t.Errorf("%d samples kept, want those of 5 s", len(r.seen))
	}
}

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"7s":            clock(7900 * time.Millisecond),
		"4m09s":         clock(249 * time.Second),
		"3h04m":         clock(3*time.Hour + 4*time.Minute + 59*time.Second),
		"0.58 s":        seconds(584 * time.Millisecond),
		"-":             seconds(0),
		"0.00":          money(decimal.Zero),
		"999.00":        money(decimal.New(999, 0)),
		"1,000.05":      money(decimal.RequireFromString("1000.05")),
		"-1,234,567.80": money(decimal.RequireFromString("-1234567.8")),
		"12,345/s":      perSecond(12344.6, true),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_000_000, 0)
	terminal := &screen{out: &out, width: func() int { return 17 }}
	terminal.say("banner\n")
	terminal.status(now, status{up: time.Second})
	terminal.status(now, status{up: 2 * time.Second})
	terminal.say("consumer died")
	terminal.status(now, status{up: 3 * time.Second})
	want := "banner\n\r1s  stored -/s\x1b[K\r2s  stored -/s\x1b[K\r\x1b[Kconsumer died\n\r3s  stored -/s\x1b[K"
	if got := out.String(); got != want {
		t.Errorf("terminal:\n got %q\nwant %q", got, want)
	}

	out.Reset()
	plain := &screen{out: &out, width: func() int { return 0 }}
	for i := range 11 {
		plain.status(now.Add(time.Duration(i)*time.Second), status{up: time.Duration(i) * time.Second})
	}
	if got := strings.Count(out.String(), "\n"); got != 3 || strings.ContainsAny(out.String(), "\r\x1b") {
		t.Errorf("a log of 11 s: %d lines, want 3, without control characters:\n%q", got, out.String())
	}
}

func TestBanner(t *testing.T) {
	p := plan{
		Config:   Config{Version: "1.2.3", Rate: 100, Kafka: "127.0.0.1:9092", ClickHouse: "127.0.0.1:9000", ClickHouseHTTP: "127.0.0.1:8123", Page: "127.0.0.1:3000"},
		folder:   &folder{path: "/somewhere/data"},
		login:    login{database: "clickstream"},
		topic:    "clickstream",
		ownKafka: true, ownClickHouse: true,
		producerHTTP: "127.0.0.1:4195", consumerHTTP: "127.0.0.1:4196",
	}
	own := p.banner()
	golden(t, "banner_own", own)
	p.ownKafka, p.ownClickHouse, p.For, p.Rate = false, false, 30*time.Second, 0
	p.Kafka, p.ClickHouse, p.Page = "kafka-1:9092,kafka-2:9092", "ch-1:9000", ""
	golden(t, "banner_other", p.banner())
	if n := strings.Count(own, "\n"); n > 6 {
		t.Errorf("the banner has %d lines, want at most 6", n)
	}
}

func TestPause(t *testing.T) {
	for _, tc := range []struct {
		took  time.Duration
		eager bool
		want  time.Duration
	}{
		{10 * time.Millisecond, false, 990 * time.Millisecond},
		{100 * time.Millisecond, false, 2 * time.Second},
		{5 * time.Second, false, 10 * time.Second}, // a busy machine: the line must not look dead
		{2 * time.Millisecond, true, 50 * time.Millisecond},
		{5 * time.Second, true, 5 * time.Second},
	} {
		if got := pause(tc.took, tc.eager); got != tc.want {
			t.Errorf("pause(%s, %t): got %s, want %s", tc.took, tc.eager, got, tc.want)
		}
	}
}

func ExampleError() {
	err := &Error{exitUnsent, fmt.Errorf("12 events are not stored yet")}
	fmt.Println(err, err.ExitCode())
	// Output: 12 events are not stored yet 3
}

// Package page renders the dashboards of grafana/ without Grafana: the same files,
// the same SQL. This part fills in what Grafana and its ClickHouse data source fill
// in, so that a panel is written once and a test can run it on the real engine.
package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Query is what a panel's SQL depends on besides itself.
type Query struct {
	// From and To bound the dashboard's time range.
	From, To time.Time
	// Interval is the width of a time bucket (see Interval).
	Interval time.Duration
	// Variables are the dashboard's variables and their chosen values; "$__all"
	// stands for all of them, no value for none.
	Variables map[string][]string
	// Options are what all of a variable's values are, where it stands for all.
	Options map[string][]string
}

// Expand returns sql as ClickHouse gets it, or an error that names the macro at
// fault. Grafana works in two steps, and so does this: the browser fills in
// $__conditionalAll and variables wherever they stand, then the data source
// expands macros outside quotes and drops comments.
// Unknown macros and variables stay as they are, for the server to complain of.
func Expand(sql string, q Query) (string, error) {
	sql, err := q.conditions(sql)
	if err != nil {
		return "", err
	}
	if sql, err = q.variables(sql); err != nil {
		return "", err
	}
	return q.macros(sql)
}

// macro is one macro of the data source: how many arguments it takes and what it
// becomes. Seconds are Unix time.
type macro struct {
	args   int
	expand func(q Query, arg []string) (string, error)
}

// text makes a macro whose expansion cannot fail.
func text(args int, expand func(q Query, arg []string) string) macro {
	return macro{args, func(q Query, arg []string) (string, error) { return expand(q, arg), nil }}
}

// macroTable holds the macros of grafana-clickhouse-datasource 4.20 (its
// pkg/macros), without those for its own query builder ($__table, $__column).
var macroTable = map[string]macro{
	"timeFilter":     text(1, func(q Query, a []string) string { return q.between(a[0], seconds) }),
	"timeFilter_ms":  text(1, func(q Query, a []string) string { return q.between(a[0], millis) }),
	"dateFilter":     text(1, func(q Query, a []string) string { return q.between(a[0], date) }),
	"dateTimeFilter": text(2, Query.dateTimeFilter),
	"dt":             text(2, Query.dateTimeFilter),
	"fromTime":       text(0, func(q Query, _ []string) string { return seconds(q.From) }),
	"toTime":         text(0, func(q Query, _ []string) string { return seconds(q.To) }),
	"fromTime_ms":    text(0, func(q Query, _ []string) string { return millis(q.From) }),
	"toTime_ms":      text(0, func(q Query, _ []string) string { return millis(q.To) }),
	"timeFrom":       text(1, func(q Query, a []string) string { return a[0] + " >= " + seconds(q.From) }),
	"timeTo":         text(1, func(q Query, a []string) string { return a[0] + " <= " + seconds(q.To) }),
	"timeInterval":   text(1, func(q Query, a []string) string { return group(a[0], q.intervalSeconds()) }),
	"timeInterval_ms": text(1, func(q Query, a []string) string {
		return fmt.Sprintf("toStartOfInterval(toDateTime64(%s, 3), INTERVAL %d millisecond)", a[0], q.intervalMillis())
	}),
	"interval_s": text(0, func(q Query, _ []string) string { return strconv.FormatInt(q.intervalSeconds(), 10) }),
	"timeGroup": {2, func(_ Query, a []string) (string, error) {
		d, err := time.ParseDuration(strings.Trim(a[1], `'"`))
		if err != nil {
			return "", fmt.Errorf("interval: %w", err)
		}
		return group(a[0], int64(d.Seconds())), nil
	}},
}

func seconds(t time.Time) string { return fmt.Sprintf("toDateTime(%d)", t.Unix()) }

func millis(t time.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(%d)", t.UnixMilli())
}

func date(t time.Time) string { return "toDate('" + t.UTC().Format(time.DateOnly) + "')" }

func group(column string, seconds int64) string {
	return fmt.Sprintf("toStartOfInterval(toDateTime(%s), INTERVAL %d second)", column, seconds)
}

func (q Query) between(column string, form func(time.Time) string) string {
	return column + " >= " + form(q.From) + " AND " + column + " <= " + form(q.To)
}

func (q Query) dateTimeFilter(a []string) string {
	return "(" + q.between(a[0], date) + ") AND (" + q.between(a[1], seconds) + ")"
}

func (q Query) intervalSeconds() int64 { return max(int64(q.Interval/time.Second), 1) }

func (q Query) intervalMillis() int64 { return max(q.Interval.Milliseconds(), 1) }

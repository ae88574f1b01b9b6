package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"clickstream/internal/engine/enginetest"
)

func dbName(text, db string) string { return strings.ReplaceAll(text, "DB", db) }

func TestParseRetention(t *testing.T) {
	for text, want := range map[string]string{
		"90d":          "90 days",
		" 1d ":         "1 day",
		"0":            "for ever",
		"0d":           "for ever",
		"36500d":       "36500 days",
		"36501d":       `error: want at most 36500d, or 0 to keep rows for ever, got "36501d"`,
		"999999999d":   `error: want at most 36500d, or 0 to keep rows for ever, got "999999999d"`,
		"9999999999d":  `error: want a number of days such as 90d, or 0 to keep rows for ever, got "9999999999d"`,
		"90":           `error: want a number of days such as 90d, or 0 to keep rows for ever, got "90"`,
		"12h":          `error: want a number of days such as 90d, or 0 to keep rows for ever, got "12h"`,
		"-1d":          `error: want a number of days such as 90d, or 0 to keep rows for ever, got "-1d"`,
		"1.5d":         `error: want a number of days such as 90d, or 0 to keep rows for ever, got "1.5d"`,
		"":             `error: want a number of days such as 90d, or 0 to keep rows for ever, got ""`,
		"1d; DROP all": `error: want a number of days such as 90d, or 0 to keep rows for ever, got "1d; DROP all"`,
	} {
		got := ""
		if r, err := ParseRetention(text); err != nil {
			got = "error: " + err.Error()
		} else {
			got = r.String()
		}
		if got != want {
			t.Errorf("ParseRetention(%q)\n got %s\nwant %s", text, got, want)
		}
	}
}

func FuzzParseRetention(f *testing.F) {
	f.Add("90d")
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRetention(text)
		if err == nil && (r < 0 || r > maxRetention) {
			t.Errorf("ParseRetention(%q): got %d, want 0 to %d", text, r, maxRetention)
		}
		engine := fmt.Sprintf("MergeTree ORDER BY x TTL inserted_at + toIntervalDay(%d) SETTINGS index_granularity = 8192", r)
		if got, _, known := retentionOf(engine); err == nil && (got != r || !known) {
			t.Errorf("retentionOf: got %d, want %d", got, r)
		}
	})
}

func TestSplit(t *testing.T) {
	got := split(`-- A comment; with a semicolon
CREATE TABLE a -- trailing; comment
(
    x Int8 DEFAULT 1 -- one
);

ALTER TABLE b;
SELECT 1`)
	want := []string{"CREATE TABLE a\n(\n    x Int8 DEFAULT 1\n)", "ALTER TABLE b", "SELECT 1"}
	if !slices.Equal(got, want) {
		t.Errorf("split\n got %q\nwant %q", got, want)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("CREATE TABLE x;\n-- y\nSELECT 1;")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range split(text) {
			if s == "" || strings.Contains(s, "--") {
				t.Errorf("split(%q): want statements without comments, got %q", text, s)
			}
		}
	})
}

func TestLoadRefusesGaps(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string
		want  string
	}{
		"empty":    {nil, "migrations: want 000_*.sql and more, got none"},
		"no first": {[]string{"001_a.sql"}, "migration 001_a.sql: want number 000"},
		"gap":      {[]string{"000_a.sql", "002_b.sql"}, "migration 002_b.sql: want number 001"},
		"twice":    {[]string{"000_a.sql", "001_b.sql", "001_c.sql"}, "migration 001_c.sql: want number 002"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fstest.MapFS{"README.md": &fstest.MapFile{}}
			for _, f := range tc.files {
				dir[f] = &fstest.MapFile{Data: []byte("SELECT 1;")}
			}
			if _, err := load(dir); fmt.Sprint(err) != tc.want {
				t.Errorf("load\n got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	before := map[string]bool{"": true, "old": true}
	for statement, want := range map[string]string{
		"CREATE DATABASE IF NOT EXISTS {database}":                     "found database d",
		"CREATE TABLE IF NOT EXISTS {database}.new\n(x Int8)":          "created table d.new",
		"CREATE TABLE IF NOT EXISTS {database}.old\n(x Int8)":          "found table d.old",
		"CREATE VIEW IF NOT EXISTS {database}.v AS SELECT 1":           "created view d.v",
		"ALTER TABLE {database}.a ADD COLUMN IF NOT EXISTS b Int8":     "added column b to d.a",
		"ALTER TABLE {database}.a ADD CONSTRAINT IF NOT EXISTS c":      "added constraint c to d.a",
		"ALTER TABLE {database}.a DROP COLUMN c":                       "altered table d.a",
		"INSERT INTO {database}.a SELECT 1\nFROM numbers(10) WHERE ok": "ran INSERT INTO {database}.a SELECT 1",
	} {
		if got := describe(statement, "d", before); got != want {
			t.Errorf("describe(%q): got %q, want %q", statement, got, want)
		}
	}
}

// The engine itself says whether a quoted name means what was quoted.
func FuzzQuote(f *testing.F) {
	for _, name := range []string{"events", "a`b", `a\`, "a'b\"", "снег", "\n", "`; --", `\\` + "`"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || !utf8.ValidString(name) || strings.Contains(name, "\x00") {
			t.Skip() // no names
		}
		rows, err := enginetest.Start(t).Conn(t, "").Query(t.Context(), "SELECT 1 AS "+quote(name))
		if err != nil {
			t.Fatalf("quote(%q): %v", name, err)
		}
		defer rows.Close()
		if got := rows.Columns()[0]; got != name {
			t.Errorf("quote: got %q, want %q", got, name)
		}
	})
}

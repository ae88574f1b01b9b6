package verify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it anew):\n got\n%s\nwant\n%s", path, got, want)
	}
}

// report is one of a table with faults, or without.
func report(faults bool) *Report {
	repeated := int64(4)
	r := &Report{
		Topic: "clickstream", Group: "clickstream-consumer", Table: "clickstream.events", Stream: "11400714819323198485",
		At: time.Date(2026, 11, 21, 10, 2, 3, 456e6, time.UTC), RepeatedEventIDs: &repeated,
		Partitions: []Partition{
			{Partition: 0, LogStart: 0, LogEnd: 700_100, Committed: 700_000, From: 0, To: 700_000, Counts: Counts{Records: 700_000, Rows: 699_998, DeadLetters: 2, Lag: 100}},
			{Partition: 1, LogStart: 500, LogEnd: 534_567, Committed: 534_567, From: 0, To: 534_567, Counts: Counts{Records: 534_567, Rows: 534_567}},
		},
	}
	if faults {
		p := &r.Partitions[1]
		p.Rows, p.Missing, p.Duplicated, p.Gaps, p.Holes, p.Unread = 534_548, 17, 1, 3, 9, 2
		p.To += p.Holes
		lost := Finding{Kind: missing, Partition: 1, SQL: "SELECT 1"}
		for i := range int64(12) {
			lost.add(Range{1000 + 10*i, 1000 + 10*i})
		}
		lost.add(Range{2000, 2003})
		lost.add(Range{2004, 2004})
		twice := Finding{Kind: duplicated, Partition: 1, SQL: "SELECT 2"}
		twice.add(Range{534_000, 534_000})
		deleted := Finding{Kind: gap, Partition: 1, SQL: "SELECT 3"}
		deleted.add(Range{20, 22})
		r.Findings = []Finding{lost, twice, deleted}
		r.note("3 rows have no coordinate: they came from no topic")
	}
	r.sumUp()
	return r
}

func TestText(t *testing.T) {
	for name, r := range map[string]*Report{"clean.txt": report(false), "faults.txt": report(true), "nothing.txt": nothing(0), "unproven.txt": nothing(12_345)} {
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// nothing is a group that has committed nothing of so many records.
func nothing(records int64) *Report {
	r := report(false)
	r.Partitions = []Partition{{LogEnd: records, Committed: -1, Counts: Counts{Lag: records}}}
	r.Total, r.RepeatedEventIDs = Counts{}, nil
	r.sumUp()
	return r
}

func TestJSON(t *testing.T) {
	for name, r := range map[string]*Report{"clean.json": report(false), "faults.json": report(true), "unproven.json": nothing(12_345)} {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(b)+"\n")
	}
}

// TestIdentity: what is printed adds up.
func TestIdentity(t *testing.T) {
	for _, c := range append([]Counts{report(true).Total}, report(true).Partitions[1].Counts) {
		if got, want := c.Rows+c.DeadLetters+c.Missing+c.Gaps, c.Records+c.Duplicated+c.Reused; got != want {
			t.Errorf("%+v: %d and %d", c, got, want)
		}
	}
}

package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"clickstream/internal/event"
)

// every returns the same share for each kind of dirt.
func every(share float64) (shares [dirtKinds]float64) {
	for kind := resend; kind < dirtKinds; kind++ {
		shares[kind] = share
	}
	return shares
}

// TestDirtShares: each kind has its share of the records, and rate and count hold for
// all records.
func TestDirtShares(t *testing.T) {
	m := maker{generator: newGenerator(aShop(t, "", nil)), dirt: newDirt(7, every(0.03))}
	counts := make([]float64, dirtKinds)
	for range 200 {
		b := m.batch(1000, time.Now(), tick)
		if len(b.ends) != 1000 || len(b.sent) != 1000 {
			t.Fatalf("got %d records, %d noted, want 1000", len(b.ends), len(b.sent))
		}
		for kind, n := range b.dirt {
			counts[kind] += float64(n)
		}
	}
	want := slices.Repeat([]float64{0.03}, int(dirtKinds))
	want[clean] = 1 - 0.03*float64(dirtKinds-1)
	chiSquare(t, "kinds", counts, want)
}

// TestDirtLeavesVisitors: the clean events of a seed are the same with dirt, but for
// those whose place it took.
func TestDirtLeavesVisitors(t *testing.T) {
	plain := map[[16]byte]event.Event{}
	for _, e := range take(newGenerator(aShop(t, "", nil)), 5000) {
		plain[e.ID] = e
	}
	g, d := newGenerator(aShop(t, "", nil)), newDirt(7, every(0.05))
	for range 5000 {
		_, e, s := d.append(nil, g, 0)
		if s.kind == resendChanged {
			continue
		}
		if e.UnixMilli = 0; e != plain[e.ID] {
			t.Fatalf("got %+v, without dirt %+v", e, plain[e.ID])
		}
	}
}

// TestDirtIsWhatItSays reads every record of each kind as a stranger would. What
// becomes of them in ClickHouse: cmd/clickstream, TestDirt.
func TestDirtIsWhatItSays(t *testing.T) {
	const now = int64(1_800_000_000_000)
	for kind := resend; kind < dirtKinds; kind++ {
		var shares [dirtKinds]float64
		shares[kind] = 0.5
		g, d := newGenerator(aShop(t, "", nil)), newDirt(uint64(kind), shares)
		seen, distinct := map[string][]byte{}, map[string]bool{}
		for range 4000 {
			raw, e, s := d.append(nil, g, now)
			id := string(appendID(nil, s.id))
			if s.kind == clean {
				seen[id] = raw
				continue
			}
			if s.kind != kind || s.id != e.ID {
				t.Fatalf("%s: noted as %s of %x, event %x", dirtNames[kind], dirtNames[s.kind], s.id, e.ID)
			}
			distinct[string(raw)] = true
			if fault := wrong(kind, raw, s.expected, seen[id], e, now); fault != "" {
				t.Fatalf("%s: %s: %s", dirtNames[kind], fault, raw)
			}
		}
		if len(distinct) < 1000 {
			t.Errorf("%s: %d different records, want many", dirtNames[kind], len(distinct))
		}
	}
}

// wrong says what a dirty record is not that it should be.
func wrong(kind dirtKind, raw []byte, expected string, original []byte, e event.Event, now int64) string {
	fields := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // 1e400 is JSON
	parsed := json.Valid(raw) && utf8.Valid(raw) && dec.Decode(&fields) == nil
	if isJSON := kind != malformedJSON && kind != invalidUTF8; parsed != isJSON {
		return fmt.Sprintf("JSON: %t, want %t", parsed, isJSON)
	}
	same := string(raw) == string(original)
	ago := time.Duration(now-e.UnixMilli) * time.Millisecond
	if when, err := time.Parse(time.RFC3339, fmt.Sprint(fields["timestamp"])); err == nil {
		ago = time.UnixMilli(now).Sub(when)
	}
	switch kind {
	case resend:
		return unless(same && expected == stored, "want the bytes sent before")
	case resendChanged:
		return unless(!same && original != nil && expected == stored, "want other bytes than before")
	case late:
		return unless(ago >= minLateness && ago <= maxLateness && expected == stored, "want one to 72 hours late, got "+ago.String())
	case outOfOrder:
		return unless(ago > 0 && ago <= maxDisorder && expected == stored, "want up to 30 s late, got "+ago.String())
	case clockSkew:
		return unless(-ago >= minSkew && -ago <= maxSkew && ago == -skewOf(e.UserID).Truncate(time.Millisecond) && expected == stored, "want a clock that is ahead, got "+ago.String())
	case extraField:
		return unless(len(fields) > 6 && expected == stored, "want more than six fields")
	case missingField:
		return unless(missing(fields) && expected == string(event.ReasonMissing), "want a field less, or null")
	}
	return unless(expected != stored || len(raw) > 4096, "want a reason, or a long text")
}

func missing(fields map[string]any) bool {
	for _, name := range []string{"event_id", "event_type", "user_id", "product_id", "price", "timestamp"} {
		if fields[name] == nil {
			return true
		}
	}
	return false
}

func unless(ok bool, fault string) string {
	if ok {
		return ""
	}
	return fault
}

// TestParseDirt: `every` counts for the kinds that are not named; shares are shares.
func TestParseDirt(t *testing.T) {
	for yaml, want := range map[string]string{
		"dirt: {}":                            "",
		"dirt: {every: 0.01, late: 0}":        "",
		"dirt: {late: 1.5}":                   "dirt.late: want a share from 0 to 1, got 1.5",
		"dirt: {every: -1}":                   "dirt.every: want a share from 0 to 1, got -1",
		"dirt: {every: 0.1}":                  "dirt: want shares that are at most 1 together, got 1.2: lower some",
		"dirt: {resend: 0.7, bad_value: 0.4}": "dirt: want shares that are at most 1 together, got 1.1: lower some",
	} {
		pc, err := spec().ParseYAML(yaml, nil)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := parse(pc)
		if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s\n got %q\nwant %q", yaml, got, want)
		}
		if strings.Contains(yaml, "late: 0}") && (cfg.dirt[late] != 0 || cfg.dirt[resend] != 0.01) {
			t.Errorf("%s: got %v", yaml, cfg.dirt)
		}
	}
}

// TestLedger: a line for each record with the hash of its bytes, before it is acked;
// a second run goes on behind the first, and behind what a full disk left of it.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.tsv")
	m := maker{generator: newGenerator(aShop(t, "", nil)), dirt: newDirt(7, every(0.05)), noted: true}
	l, err := openLedger(path, 7, 0xabc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openLedger(path, 7, 1); err == nil || !strings.Contains(err.Error(), "another producer") {
		t.Errorf("a second producer: got %v, want a refusal", err)
	}
	b := m.batch(100, time.Now(), tick)
	if err := l.sent(b); err != nil {
		t.Fatal(err)
	}
	lines := readLines(t, path) // what a killed producer would have left
	if len(lines) != 101 || lines[0] != "run\t0000000000000abc\t7" {
		t.Fatalf("got %d lines, the first %q", len(lines), lines[0])
	}
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		hash := fmt.Sprintf("%016x", xxhash.Sum64(b.event(i)))
		want := []string{"sent", strconv.Itoa(i + 1), dirtNames[b.sent[i].kind], string(appendID(nil, b.sent[i].id)), hash, b.sent[i].expected}
		if !slices.Equal(f, want) {
			t.Fatalf("line %d\n got %q\nwant %q", i, f, want)
		}
	}
	for _, numbers := range [][]int64{{1, 2, 3, 7, 9, 10}, {4}} {
		if err := l.acked(numbers); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if err := l.acked([]int64{5}); err != nil { // after a hard stop
		t.Error(err)
	}
	lines = readLines(t, path)[101:]
	if got, want := lines[:4], []string{"acked\t1\t3", "acked\t7\t7", "acked\t9\t10", "acked\t4\t4"}; !slices.Equal(got, want) {
		t.Errorf("acked\n got %q\nwant %q", got, want)
	}
	total := 0
	for _, line := range lines[4 : len(lines)-1] {
		f := strings.Split(line, "\t")
		n, _ := strconv.Atoi(f[2])
		total += n
	}
	if total != 100 || lines[len(lines)-1] != "end" {
		t.Errorf("totals of %d records, last line %q", total, lines[len(lines)-1])
	}
	goesOn(t, path, len(lines)+101)
}

// goesOn opens a ledger whose last line was cut.
func goesOn(t *testing.T, path string, lines int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("sent\t1\tcle"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	l, err := openLedger(path, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if got := readLines(t, path); got[lines] != "sent\t1\tcle" || got[lines+1] != "run\t0000000000000001\t8" {
		t.Errorf("a second run: got %q", got[lines:])
	}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// TestStreamLedger: through a stream that refuses batches and parts of them, each
// record is sent once by the ledger, acknowledged once, and all of them at the end.
func TestStreamLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.tsv")
	events, metrics := collect(t, "{rate: 0, count: 5000, seed: 3, ledger: "+path+"}", true)
	acked := map[int]int{}
	ids := map[string]bool{}
	for _, line := range readLines(t, path) {
		f := strings.Split(line, "\t")
		switch f[0] {
		case "sent":
			ids[f[3]] = true
		case "acked":
			from, _ := strconv.Atoi(f[1])
			to, _ := strconv.Atoi(f[2])
			for n := from; n <= to; n++ {
				acked[n]++
			}
		}
	}
	if len(ids) != 5000 || len(acked) != 5000 || len(events) != 5000 {
		t.Errorf("got %d sent, %d acknowledged, %d delivered, want 5000", len(ids), len(acked), len(events))
	}
	for n, times := range acked {
		if times != 1 {
			t.Errorf("record %d: acknowledged %d times", n, times)
		}
	}
	for id := range events {
		if !ids[id] {
			t.Errorf("%s is not in the ledger", id)
		}
	}
	if metrics.own()["resent_events_total"] == 0 {
		t.Error("nothing was sent again: this test would prove nothing")
	}
}

// TestLateSpread: lateness goes from minutes to days.
func TestLateSpread(t *testing.T) {
	var shares [dirtKinds]float64
	shares[late] = 1
	g, d := newGenerator(aShop(t, "", nil)), newDirt(1, shares)
	var logs []float64
	for range 1000 {
		raw, _, _ := d.append(nil, g, 0)
		var doc struct{ Timestamp time.Time }
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		logs = append(logs, math.Log(float64(-doc.Timestamp.UnixMilli())/60_000))
	}
	slices.Sort(logs)
	middle := time.Duration(math.Exp(logs[500]) * float64(time.Minute))
	if middle < 30*time.Minute || middle > 3*time.Hour {
		t.Errorf("half of the late events are later than %s, want about an hour", middle)
	}
}

// BenchmarkDirt: what a record costs with a ledger, and with 5 % of every kind too.
func BenchmarkDirt(b *testing.B) {
	for name, share := range map[string]float64{"ledger": 0, "ledger and dirt": 0.05} {
		b.Run(name, func(b *testing.B) {
			l, err := openLedger(filepath.Join(b.TempDir(), "ledger.tsv"), 1, 1)
			if err != nil {
				b.Fatal(err)
			}
			m := maker{generator: newGenerator(aShop(b, "", nil)), dirt: newDirt(1, every(share)), noted: true}
			wall := time.Now()
			b.ResetTimer()
			for done := 0; done < b.N; done += maxBatch {
				batch := m.batch(maxBatch, wall, tick)
				if err := l.sent(batch); err != nil {
					b.Fatal(err)
				}
				if err := l.acked(batch.numbers); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

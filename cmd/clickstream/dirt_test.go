package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/shopspring/decimal"
)

// dirtEvents is how many records TestDirt sends; DIRT_EVENTS=1000000 (make
// test-dirt) is the full size.
const dirtEvents = 20_000

// TestDirt sends records of which each kind of dirt is 5 % through both pipelines as
// they are shipped. Every record of the producer's ledger must have become what the
// ledger expects of it, told by its coordinate, event_id and bytes: not one more in
// the table or among the dead letters, not one less, and no clean neighbour lost.
func TestDirt(t *testing.T) {
	n := dirtEvents
	if text := os.Getenv("DIRT_EVENTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("DIRT_EVENTS: want a number of records, got %q", text)
		}
	}
	s := newStack(t)
	path := filepath.Join(s.dir, "ledger.tsv")
	begin := time.Now()
	consume := s.pipeline("consume", nil)
	produce := s.pipeline("produce", []string{"RATE=0"},
		"--set", "input.clickstream_simulator.dirt.every=0.05",
		"--set", fmt.Sprintf("input.clickstream_simulator.count=%d", n),
		"--set", "input.clickstream_simulator.ledger="+path)
	s.settled(produce.proc, uint64(n))
	if code := produce.exit(); code != 0 {
		t.Fatalf("the producer ended with exit code %d", code)
	}
	consume.stop()
	s.allCommitted()

	check := dirtCheck{t: t, ledger: readLedger(t, path), raw: map[whereabouts][]byte{}}
	check.sent(s, n)
	check.rows(s)
	check.letters(s)
	check.done()
	for _, p := range []*proc{produce.proc, consume.proc} {
		log := p.out.String()
		for _, content := range []string{"user_0", "prod_", "utm_source", "order-", "newsletter", "yesterday"} {
			for line := range strings.Lines(log) {
				if _, message, _ := strings.Cut(line, "level="); strings.Contains(message, content) {
					t.Fatalf("the log of %s holds a record's content: %s", p.name, line)
				}
			}
		}
		// A repeating error is written once in ten seconds; there are some thirty.
		if lines, limit := strings.Count(log, "\n"), 60+40*int(time.Since(begin)/(10*time.Second)); lines > limit {
			t.Errorf("the log of %s has %d lines, want at most %d:\n%s", p.name, lines, limit, lastLines(log, 60))
		}
	}
}

// settled waits until the producer's n records are all rows or dead letters. It
// gives up when nothing has moved for a while: a million take their time.
func (s *stack) settled(produce *proc, n uint64) {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	conn := s.connect()
	var last uint64
	for moved := time.Now(); time.Since(moved) < patience; <-tick.C {
		var rows uint64
		if err := conn.QueryRow(s.t.Context(), `SELECT (SELECT count() FROM clickstream.events)
			+ (SELECT uniqExact(_stream, _partition, _offset) FROM clickstream.dead_letters)`).Scan(&rows); err != nil {
			s.t.Fatal(err)
		}
		if rows >= n {
			return
		}
		if rows > last {
			last, moved = rows, time.Now()
		}
	}
	s.t.Fatalf("%d of %d records arrived, then none for %s; producer:\n%s", last, n, patience, lastLines(produce.out.String(), 10))
}

// whereabouts is a record's coordinate.
type whereabouts struct {
	partition int32
	offset    int64
}

// ledgerEntry is what a ledger says of all records of the same bytes.
type ledgerEntry struct {
	expected string
	kinds    map[string]int  // how many of each kind
	ids      map[string]bool // of the events
}

// readLedger reads a ledger of one run, which must have ended in order with
// everything acknowledged: by hash of the bytes.
func readLedger(t *testing.T, path string) map[string]*ledgerEntry {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries, sent, acked, ended := map[string]*ledgerEntry{}, 0, 0, false
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch f[0] {
		case "sent":
			sent++
			if f[1] != strconv.Itoa(sent) {
				t.Fatalf("ledger: record %s comes after %d", f[1], sent-1)
			}
			e := entries[f[4]]
			if e == nil {
				e = &ledgerEntry{expected: f[5], kinds: map[string]int{}, ids: map[string]bool{}}
				entries[f[4]] = e
			}
			if e.expected != f[5] {
				t.Fatalf("ledger: the same bytes are expected to be %s and %s", e.expected, f[5])
			}
			e.kinds[f[2]]++
			e.ids[f[3]] = true
		case "acked":
			from, _ := strconv.Atoi(f[1])
			to, _ := strconv.Atoi(f[2])
			acked += to - from + 1
		case "end":
			ended = true
		}
	}
	if acked != sent || !ended {
		t.Fatalf("ledger: %d of %d records acknowledged, ended in order: %t", acked, sent, ended)
	}
	return entries
}

// dirtCheck holds a ledger against what came out.
type dirtCheck struct {
	t      *testing.T
	ledger map[string]*ledgerEntry
	raw    map[whereabouts][]byte    // the records, less those that were found
	byKind map[string]map[string]int // kind, then outcome
	killed bool                      // the consumer was: the topic may have a letter twice
}

func hashOf(raw []byte) string { return fmt.Sprintf("%016x", xxhash.Sum64(raw)) }

// sent holds the topic against the ledger: the same bytes, equally often.
func (c *dirtCheck) sent(s *stack, n int) {
	c.byKind = map[string]map[string]int{}
	open := map[string]int{}
	for hash, e := range c.ledger {
		for kind, n := range e.kinds {
			open[hash] += n
			if c.byKind[kind] == nil {
				c.byKind[kind] = map[string]int{}
			}
			c.byKind[kind]["sent"] += n
		}
	}
	records := s.read("clickstream")
	if len(records) != n {
		c.t.Errorf("the topic holds %d records, want %d", len(records), n)
	}
	for _, r := range records {
		hash := hashOf(r.Value)
		if open[hash]--; open[hash] < 0 {
			c.t.Fatalf("record %d/%d is not in the ledger, or not so often", r.Partition, r.Offset)
		}
		c.raw[whereabouts{r.Partition, r.Offset}] = r.Value
	}
}

// found settles a record and returns its bytes and what the ledger says of it.
func (c *dirtCheck) found(at whereabouts, outcome string) ([]byte, *ledgerEntry) {
	raw, ok := c.raw[at]
	if !ok {
		c.t.Fatalf("%d/%d came out twice, or was never sent", at.partition, at.offset)
	}
	delete(c.raw, at)
	e := c.ledger[hashOf(raw)]
	if e.expected != outcome {
		c.t.Fatalf("%d/%d is %s, want %s: kinds %v", at.partition, at.offset, outcome, e.expected, e.kinds)
	}
	for kind, left := range e.kinds { // any of them: the bytes are the same
		if left > 0 {
			e.kinds[kind]--
			c.byKind[kind][outcome]++
			break
		}
	}
	return raw, e
}

// rows holds the table against the ledger, and each row against its record's bytes.
func (c *dirtCheck) rows(s *stack) {
	rows, err := s.connect().Query(c.t.Context(), `SELECT _partition, _offset, toString(event_id), toString(event_type), user_id, product_id, price, timestamp FROM clickstream.events`)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at whereabouts
		var id, kind, user, product string
		var price decimal.Decimal
		var when time.Time
		if err := rows.Scan(&at.partition, &at.offset, &id, &kind, &user, &product, &price, &when); err != nil {
			c.t.Fatal(err)
		}
		raw, e := c.found(at, "stored")
		if !e.ids[id] {
			c.t.Fatalf("%d/%d has event_id %s, the ledger has %v", at.partition, at.offset, id, e.ids)
		}
		var want struct {
			ID        string          `json:"event_id"`
			Type      string          `json:"event_type"`
			User      string          `json:"user_id"`
			Product   string          `json:"product_id"`
			Price     decimal.Decimal `json:"price"`
			Timestamp time.Time       `json:"timestamp"`
		}
		// encoding/json takes "Price" for price: names must match to the letter.
		raw = bytes.ReplaceAll(raw, []byte(`"Price"`), []byte(`"-"`))
		if err := json.Unmarshal(raw, &want); err != nil {
			c.t.Fatalf("%d/%d is stored and no JSON: %v", at.partition, at.offset, err)
		}
		if id != want.ID || kind != want.Type || user != want.User || product != want.Product || !price.Equal(want.Price) || !when.Equal(want.Timestamp) {
			c.t.Fatalf("row %d/%d differs from its record:\n%s", at.partition, at.offset, raw)
		}
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
}

// letters holds the table of dead letters against the ledger, and the topic against
// the table.
func (c *dirtCheck) letters(s *stack) {
	type letter struct{ hash, reason string }
	table := map[whereabouts]letter{}
	rows, err := s.connect().Query(c.t.Context(), `SELECT _partition, _offset, reason, lower(leftPad(hex(xxHash64(payload)), 16, '0')) FROM clickstream.dead_letters FINAL`)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at whereabouts
		var l letter
		if err := rows.Scan(&at.partition, &at.offset, &l.reason, &l.hash); err != nil {
			c.t.Fatal(err)
		}
		raw, _ := c.found(at, l.reason)
		if got, want := l.hash, hashOf(raw); got != want {
			c.t.Fatalf("the letter of %d/%d holds other bytes: hash %s, want %s", at.partition, at.offset, got, want)
		}
		table[at] = l
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	seen := map[whereabouts]bool{}
	for _, r := range s.read("clickstream-dead-letters") {
		h := headers(r.Record)
		partition, _ := strconv.Atoi(h["partition"])
		offset, _ := strconv.ParseInt(h["offset"], 10, 64)
		at := whereabouts{int32(partition), offset}
		if got, want := (letter{hashOf(r.Value), h["reason"]}), table[at]; got != want {
			c.t.Fatalf("letter of %d/%d: the topic has %v, the table %v", partition, offset, got, want)
		}
		if seen[at] && !c.killed {
			c.t.Fatalf("the topic has two letters of %d/%d", partition, offset)
		}
		seen[at] = true
	}
	if len(seen) != len(table) {
		c.t.Errorf("%d letters in the topic, %d in the table", len(seen), len(table))
	}
}

// done fails if a record became nothing, or a kind was never sent, and shows what
// became of each kind.
func (c *dirtCheck) done() {
	for at := range c.raw {
		c.t.Errorf("%d/%d is neither a row nor a dead letter (and %d others)", at.partition, at.offset, len(c.raw)-1)
		break
	}
	if len(c.byKind) != 13 {
		c.t.Errorf("%d kinds were sent, want 12 and clean", len(c.byKind))
	}
	for kind, outcomes := range c.byKind {
		sum := -outcomes["sent"]
		for _, n := range outcomes {
			sum += n
		}
		if sum != outcomes["sent"] {
			c.t.Errorf("%s: %v, want as many outcomes as were sent", kind, outcomes)
		}
		c.t.Logf("%-15s %v", kind, outcomes)
	}
}

// TestLedgerKill: after a kill -9 of the producer every record in the topic is in the
// ledger, and everything that the ledger calls acknowledged is in the topic.
func TestLedgerKill(t *testing.T) {
	s := newStack(t)
	path := filepath.Join(s.dir, "ledger.tsv")
	for range 2 { // the second run goes on behind what the first left
		produce := s.pipeline("produce", []string{"RATE=20000"},
			"--set", "input.clickstream_simulator.dirt.every=0.02", "--set", "input.clickstream_simulator.ledger="+path)
		s.awaitProduced(total(s.ends("clickstream")) + 5000)
		produce.kill()
	}
	topic := map[string]int{}
	for _, r := range s.read("clickstream") {
		topic[hashOf(r.Value)]++
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sent, acked, runs := map[string]bool{}, 0, 0
	var run []string // hashes, by number
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch f[0] {
		case "run":
			run, runs = []string{""}, runs+1
		case "sent":
			sent[f[4]] = true
			run = append(run, f[4])
		case "acked":
			from, _ := strconv.Atoi(f[1])
			to, _ := strconv.Atoi(f[2])
			for _, hash := range run[from : to+1] {
				if acked++; topic[hash] == 0 {
					t.Fatalf("a record of run %d is acknowledged and not in the topic: %s", runs, hash)
				}
			}
		case "end", "total":
			t.Errorf("run %d ended in order, though it was killed", runs)
		}
	}
	for hash := range topic {
		if !sent[hash] {
			t.Fatalf("a record in the topic is not in the ledger: %s", hash)
		}
	}
	if runs != 2 || acked < 5000 {
		t.Errorf("got %d runs and %d acknowledged records: this test would prove nothing", runs, acked)
	}
}

func total(ends map[int32]int64) (n int64) {
	for _, end := range ends {
		n += end
	}
	return n
}

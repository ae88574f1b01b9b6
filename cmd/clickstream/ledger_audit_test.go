package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	endian "encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// entry is what a record of the topic must have become: a row of events, or, if it
// is bad, a dead letter.
type entry struct {
	id   [16]byte // of the event; of a bad record badID
	hash uint64   // of the row's columns; of a bad record, of its bytes
}

// ledgerHeader marks the bad records that a test writes, which have no event id, with
// their number in its ledger.
const ledgerHeader = "ledger"

const badPrefix = "\xffbad"

func badID(n uint64) (id [16]byte) {
	copy(id[:], badPrefix)
	endian.BigEndian.PutUint64(id[8:], n)
	return id
}

func (e *entry) bad() bool { return string(e.id[:4]) == badPrefix }

// hash64 is the first half of SHA-256's first half: the engine computes the same.
func hash64(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return endian.LittleEndian.Uint64(sum[:8])
}

// rowHash is hash64 over the columns of a row as they are stored.
const rowHash = `reinterpretAsUInt64(substring(SHA256(concat(toString(event_id), '|', toString(event_type), '|', user_id, '|', product_id, '|',
	toString(reinterpretAsInt64(price)), '|', toString(toUnixTimestamp64Milli(timestamp)), '|', toString(toUnixTimestamp64Milli(received_at)))), 1, 8))`

// entryOf says what must become of a record. It parses with the standard library,
// not with the code under test.
func entryOf(r *kgo.Record) (e entry, err error) {
	if n, ok := headers(r)[ledgerHeader]; ok {
		number, err := strconv.ParseUint(n, 10, 64)
		return entry{id: badID(number), hash: hash64(r.Value)}, err
	}
	var v struct {
		ID        string      `json:"event_id"`
		Type      string      `json:"event_type"`
		User      string      `json:"user_id"`
		Product   string      `json:"product_id"`
		Price     json.Number `json:"price"`
		Timestamp time.Time   `json:"timestamp"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return e, err
	}
	price, err := tenThousandths(v.Price.String())
	if err != nil {
		return e, err
	}
	if e.id, err = parseUUID(v.ID); err != nil {
		return e, err
	}
	row := make([]byte, 0, 128)
	for _, text := range []string{v.ID, v.Type, v.User, v.Product} {
		row = append(append(row, text...), '|')
	}
	row = append(strconv.AppendInt(row, price, 10), '|')
	row = append(strconv.AppendInt(row, v.Timestamp.UnixMilli(), 10), '|')
	e.hash = hash64(strconv.AppendInt(row, r.Timestamp.UnixMilli(), 10))
	return e, nil
}

// tenThousandths reads a price of at most four decimals.
func tenThousandths(text string) (int64, error) {
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > 4 {
		return 0, fmt.Errorf("price %s: want at most four decimals, or this test would have to round", text)
	}
	return strconv.ParseInt(whole+part+"0000"[len(part):], 10, 64)
}

func parseUUID(text string) (id [16]byte, err error) {
	text = strings.ReplaceAll(text, "-", "")
	for i := range id {
		b, err := strconv.ParseUint(text[min(2*i, len(text)):min(2*i+2, len(text))], 16, 8)
		if err != nil {
			return id, err
		}
		id[i] = byte(b)
	}
	return id, nil
}

// audit is a topic held against the tables, both ways and by content.
type audit struct {
	*stack
	topic map[int32][]entry // by partition and offset

	records, bad, rows, letters      int
	lost, duplicated, wrong, foreign int
	repeated                         int      // events that the topic holds more than once
	examples                         []string // of what is wrong
}

// audit reads topic and tables, which must be at rest, and compares them.
func (s *stack) audit() *audit {
	s.t.Helper()
	a := &audit{stack: s, topic: map[int32][]entry{}}
	s.eachRecord("clickstream", func(r *kgo.Record) {
		e, err := entryOf(r)
		if err != nil {
			s.t.Fatalf("record %d/%d is no event: %v", r.Partition, r.Offset, err)
		}
		if got, want := r.Offset, int64(len(a.topic[r.Partition])); got != want {
			s.t.Fatalf("partition %d: got offset %d, want %d: the log has a gap", r.Partition, got, want)
		}
		a.topic[r.Partition] = append(a.topic[r.Partition], e)
		a.records++
		if e.bad() {
			a.bad++
		}
	})
	if a.records == 0 {
		s.t.Fatal("the topic is empty: this test would prove nothing")
	}
	if n := s.number("SELECT uniqExact(_stream) FROM clickstream.events"); n > 1 {
		a.found(&a.wrong, "%d streams in the table, want 1: offsets were given out twice", n)
	}
	a.rows = a.compare("events", "SELECT _partition, _offset, "+rowHash+" FROM clickstream.events", false)
	a.letters = a.compare("dead_letters", "SELECT _partition, _offset, reinterpretAsUInt64(substring(SHA256(payload), 1, 8)) FROM clickstream.dead_letters FINAL", true)
	a.countRepeated()
	return a
}

func (a *audit) found(counter *int, format string, args ...any) {
	*counter++
	if len(a.examples) < 20 {
		a.examples = append(a.examples, fmt.Sprintf(format, args...))
	}
}

// compare holds one table against its share of the topic, the bad records or the
// others, and returns how many rows it has.
func (a *audit) compare(table, query string, bad bool) (n int) {
	a.t.Helper()
	seen := map[int32][]uint8{}
	for p, entries := range a.topic {
		seen[p] = make([]uint8, len(entries))
	}
	rows, err := a.connect().Query(a.t.Context(), query)
	if err != nil {
		a.t.Fatal(err)
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var p int32
		var offset int64
		var hash uint64
		if err := rows.Scan(&p, &offset, &hash); err != nil {
			a.t.Fatal(err)
		}
		switch {
		case offset < 0 || offset >= int64(len(a.topic[p])) || a.topic[p][offset].bad() != bad:
			a.found(&a.foreign, "%s: a row of %d/%d, where the topic has no record of this kind", table, p, offset)
			continue
		case a.topic[p][offset].hash != hash:
			a.found(&a.wrong, "%s: the row of %d/%d has other content than the record", table, p, offset)
		}
		if seen[p][offset]++; seen[p][offset] == 2 {
			a.found(&a.duplicated, "%s: two rows of %d/%d", table, p, offset)
		}
	}
	if err := rows.Err(); err != nil {
		a.t.Fatal(err)
	}
	for p, entries := range a.topic {
		for offset := range entries {
			if seen[p][offset] == 0 && entries[offset].bad() == bad {
				a.found(&a.lost, "%s: no row of %d/%d", table, p, offset)
			}
		}
	}
	return n
}

// countRepeated counts events that have more than one coordinate: a broker that was
// killed before its acknowledgement was sent appends what is sent again.
func (a *audit) countRepeated() {
	ids := make([][16]byte, 0, a.records)
	for _, entries := range a.topic {
		for i := range entries {
			ids = append(ids, entries[i].id)
		}
	}
	slices.SortFunc(ids, func(x, y [16]byte) int { return bytes.Compare(x[:], y[:]) })
	a.repeated = len(ids) - len(slices.Compact(ids))
}

// check fails the test for whatever is wrong.
func (a *audit) check(t testing.TB) {
	t.Helper()
	if a.lost+a.duplicated+a.wrong+a.foreign > 0 {
		t.Errorf("%d lost, %d duplicated, %d with wrong content, %d that no record explains:\n%s",
			a.lost, a.duplicated, a.wrong, a.foreign, strings.Join(a.examples, "\n"))
	}
}

// eachRecord calls f for every record of a topic, those of a partition in order.
func (s *stack) eachRecord(topic string, f func(*kgo.Record)) {
	s.t.Helper()
	var left int64
	for _, end := range s.ends(topic) {
		left += end
	}
	client := s.kafka(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	starts, err := kadm.NewClient(client).ListStartOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	starts.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			s.t.Fatalf("partition %d of %s begins at %d: the broker has dropped what was read, and nothing can be held against it", o.Partition, topic, o.Offset)
		}
	})
	for left > 0 {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err0(); err != nil {
			s.t.Fatalf("read %s: %d records to go: %v", topic, left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { f(r); left-- })
	}
}

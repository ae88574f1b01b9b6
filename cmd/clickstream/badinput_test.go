package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// private stands in every bad record: it must show up in no log.
const private = "s3cr3t-content"

// badRecords are records that cannot be stored, and what the dead letter says.
var badRecords = []struct{ name, value, reason, field string }{
	{"truncated", `{"event_id":"` + private, "malformed_json", ""},
	{"no json", private, "malformed_json", ""},
	{"empty", "", "no_value", ""},
	{"array", `["` + private + `"]`, "malformed_json", ""},
	{"two documents", eventJSON(1) + eventJSON(2), "malformed_json", ""},
	{"invalid utf-8", strings.Replace(eventJSON(1), "prod_1", "prod_\xff", 1), "malformed_json", ""},
	{"price is a word", strings.Replace(eventJSON(1), "29.99", `"`+private+`"`, 1), "wrong_type", "price"},
	{"user is a number", strings.Replace(eventJSON(1), `"user_0001"`, "42", 1), "wrong_type", "user_id"},
	{"id is no uuid", strings.Replace(eventJSON(1), "00000000-0000", private, 1), "wrong_type", "event_id"},
	{"no product", strings.Replace(eventJSON(1), `"product_id":"prod_1",`, "", 1), "missing_field", "product_id"},
	{"null user", strings.Replace(eventJSON(1), `"user_0001"`, "null", 1), "missing_field", "user_id"},
	{"unknown type", strings.Replace(eventJSON(1), "purchase", private, 1), "unknown_value", "event_type"},
	{"negative price", strings.Replace(eventJSON(1), "29.99", "-0.01", 1), "out_of_range", "price"},
	{"huge price", strings.Replace(eventJSON(1), "29.99", "1e400", 1), "out_of_range", "price"},
	{"infinite price", strings.Replace(eventJSON(1), "29.99", "Infinity", 1), "malformed_json", ""},
	{"price is NaN", strings.Replace(eventJSON(1), "29.99", "NaN", 1), "malformed_json", ""},
	{"no time", strings.Replace(eventJSON(1), "2026-01-15T14:30:00.123Z", private, 1), "bad_time", "timestamp"},
	{"no zone", strings.Replace(eventJSON(1), "00.123Z", "00.123", 1), "bad_time", "timestamp"},
	{"year 1800", strings.Replace(eventJSON(1), "2026-01", "1800-01", 1), "out_of_range", "timestamp"},
	{"year 2150", strings.Replace(eventJSON(1), "2026-01", "2150-01", 1), "out_of_range", "timestamp"},
}

// TestBadInput: each bad record becomes one dead letter that says why, its
// neighbours are stored, and the log stays short and holds nothing of it.
func TestBadInput(t *testing.T) {
	s := newStack(t)
	const rounds = 20
	good := 100
	var values []string
	for range rounds {
		for _, bad := range badRecords {
			good++
			values = append(values, eventJSON(good), bad.value)
		}
	}
	s.produce(values...)
	consume := s.pipeline("consume", nil)
	s.drained()
	consume.stop()
	s.allCommitted()

	if got, want := s.number("SELECT count() FROM clickstream.events"), uint64(rounds*len(badRecords)); got != want {
		t.Errorf("%d rows stored, want the %d good neighbours", got, want)
	}
	for reason, want := range wantByReason(rounds) {
		got := s.number("SELECT uniqExact(_stream, _partition, _offset) FROM clickstream.dead_letters WHERE reason = ?", reason)
		if got != want {
			t.Errorf("table dead_letters: %d of reason %s, want %d", got, reason, want)
		}
	}
	checkLetters(t, s, rounds)
	log := consume.out.String()
	if strings.Contains(log, private) {
		t.Errorf("the log holds a record's content:\n%s", log)
	}
	if n := strings.Count(log, "\n"); n > 30 {
		t.Errorf("the log has %d lines for %d bad records, want a handful:\n%s", n, rounds*len(badRecords), lastLines(log, 60))
	}
}

func wantByReason(rounds int) map[string]uint64 {
	want := map[string]uint64{}
	for _, bad := range badRecords {
		want[bad.reason] += uint64(rounds)
	}
	return want
}

// checkLetters holds the dead-letter topic against the records it must hold.
func checkLetters(t *testing.T, s *stack, rounds int) {
	t.Helper()
	source := map[string]string{}
	for _, r := range s.read("clickstream") {
		source[fmt.Sprint(r.Partition, "/", r.Offset)] = string(r.Value)
	}
	letters := s.read("clickstream-dead-letters")
	if got, want := len(letters), rounds*len(badRecords); got != want {
		t.Errorf("%d letters in the topic, want %d", got, want)
	}
	byCase := map[string]int{}
	for _, l := range letters {
		h := headers(l.Record)
		origin := h["partition"] + "/" + h["offset"]
		if got := string(l.Value); got != source[origin] {
			t.Errorf("letter of %s holds other bytes than the record there", origin)
		}
		if h["topic"] != "clickstream" || h["message"] == "" || h["timestamp"] == "" || h["version"] == "" {
			t.Errorf("letter of %s: incomplete headers %v", origin, h)
		}
		if strings.Contains(h["message"], private) {
			t.Errorf("letter of %s: the message quotes the record: %s", origin, h["message"])
		}
		byCase[string(l.Value)+" "+h["reason"]+" "+h["field"]]++
	}
	for _, bad := range badRecords {
		if got := byCase[bad.value+" "+bad.reason+" "+bad.field]; got != rounds {
			t.Errorf("%s: %d letters with reason %q and field %q, want %d", bad.name, got, bad.reason, bad.field, rounds)
		}
	}
}

func headers(r *kgo.Record) map[string]string {
	h := map[string]string{}
	for _, header := range r.Headers {
		h[header.Key] = string(header.Value)
	}
	return h
}

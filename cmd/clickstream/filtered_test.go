package main

import (
	"fmt"
	"strings"
	"testing"

	"clickstream/internal/verify"
)

// misplaced counts the rows that do not hold the event of the record whose coordinate
// they have, by the topic as an own client reads it.
func (s *stack) misplaced() (n int) {
	s.t.Helper()
	records := map[string]string{}
	for _, r := range s.events() {
		records[fmt.Sprint(r.Partition, "/", r.Offset)] = r.event.ID
	}
	rows, err := s.connect().Query(s.t.Context(), "SELECT _partition, _offset, toString(event_id) FROM clickstream.events")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var partition int32
		var offset int64
		var id string
		if err := rows.Scan(&partition, &offset, &id); err != nil {
			s.t.Fatal(err)
		}
		if records[fmt.Sprint(partition, "/", offset)] != id {
			n++
		}
	}
	return n
}

// numbered are n events by 500 users, user_0000 to user_0499 in turn.
func numbered(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = eventJSON(i)
	}
	return values
}

// dropsUsers is a rule that keeps 300 of 500 users.
const dropsUsers = `root = if this.user_id < "user_0200" { deleted() }`

// TestFilteredIsNotMissing: what a processor drops is told from what is missing, across
// kill -9 of the consumer, and a row that is gone is missing all the same.
func TestFilteredIsNotMissing(t *testing.T) {
	s := newStack(t)
	const n, kept, rounds = 30_000, 18_000, 3
	pipeline := pipelineWith(t, "processors: []", "processors: [ { mapping: '"+dropsUsers+"' } ]")
	consumer := func() *pipelineProc {
		address := freeAddress(t)
		return &pipelineProc{address: address, proc: start(t, s.env("HTTP_ADDRESS="+address, "KAFKA_INSTANCE_ID=one"), "-c", pipeline, "--set", "input.kafka.max_batch_records=100",
			"--set", "input.kafka.commit_interval=20ms", "--set", "output.fallback.0.clickhouse.max_rows=200")}
	}
	all := numbered(n)
	for i := range rounds {
		s.produce(all[i*n/rounds : (i+1)*n/rounds]...)
		consume := consumer()
		s.grown()
		consume.kill()
		t.Logf("killed at %d rows", s.number("SELECT count() FROM clickstream.events"))
	}
	consume := consumer()
	consume.awaitReady(200)
	s.awaitNumber("SELECT count() FROM clickstream.events", kept)
	s.awaitCommitted()
	consume.stop()
	if got := s.misplaced(); got > 0 {
		t.Errorf("%d rows have the coordinate of another record", got)
	}
	want := verify.Counts{Records: n, Rows: kept, Filtered: n - kept}
	s.verifies(want)
	s.exec("ALTER TABLE clickstream.events DELETE WHERE user_id = 'user_0300' AND _offset < 1000 SETTINGS mutations_sync = 1")
	want.Rows = int64(s.number("SELECT count() FROM clickstream.events"))
	if want.Missing = kept - want.Rows; want.Missing == 0 {
		t.Fatal("no row was deleted: this test would prove nothing")
	}
	s.verifies(want)
}

// TestProcessorsKeepRecords: whatever processors do to batches, a row has the coordinate
// of the record that it was made of, and the consumer knows what they drop.
func TestProcessorsKeepRecords(t *testing.T) {
	s := newStack(t)
	const n, kept = 3_000, 1_800
	s.produce(numbered(n)...)
	filter := "{ mapping: '" + dropsUsers + "' }"
	for name, processors := range map[string]string{
		"mapping":  filter,
		"bloblang": "{ bloblang: '" + dropsUsers + "' }",
		"switch":   `{ switch: [ { check: 'this.user_id < "user_0200"', processors: [ { mapping: 'root = deleted()' } ] } ] }`,
		"split":    filter + ", { split: { size: 7 } }",
		"group_by": `{ group_by_value: { value: '${! json("user_id") }' } }, ` + filter,
		"for_each": "{ for_each: [ " + filter + " ] }",
		"try":      "{ try: [ " + filter + ", { mapping: 'root = this' } ] }",
		"branch":   filter + `, { branch: { request_map: 'root = this.user_id', processors: [ { mapping: 'root = content().uppercase()' } ], result_map: 'root.note = content().string()' } }`,
		"dedupe":   filter + `, { dedupe: { cache: seen, key: '${! json("event_id") }' } }`,
		"sorted":   filter + `, { mapping: 'root = this' }, { group_by: [ { check: 'this.user_id.has_suffix("7")' } ] }`,
	} {
		t.Run(name, func(t *testing.T) {
			s.exec("TRUNCATE TABLE clickstream.events")
			s.exec("TRUNCATE TABLE clickstream.events_filtered")
			group := "group-" + name
			pipeline := pipelineWith(t, "processors: []", "processors: [ "+processors+" ]\n\ncache_resources: [ { label: seen, memory: {} } ]")
			consume := start(t, s.env("HTTP_ADDRESS="+freeAddress(t)), "-c", pipeline, "--set", "input.kafka.group="+group, "--set", "input.kafka.max_batch_records=100")
			s.awaitNumber("SELECT count() FROM clickstream.events", kept)
			consume.stop()
			if got := s.misplaced(); got > 0 {
				t.Errorf("%d rows have the coordinate of another record", got)
			}
			s.verifies(verify.Counts{Records: n, Rows: kept, Filtered: n - kept}, "--group", group)
		})
	}
}

// TestBufferTellsNothing: what a buffer has acknowledged may be lost, dropped or on its
// way, so nothing of it is noted as dropped, and verify misses what has no row.
func TestBufferTellsNothing(t *testing.T) {
	s := newStack(t)
	s.produce(numbered(500)...)
	pipeline := pipelineWith(t, "processors: []", "processors: [ { mapping: '"+dropsUsers+"' } ]\n\nbuffer: { memory: {} }")
	consume := start(t, s.env("HTTP_ADDRESS="+freeAddress(t)), "-c", pipeline)
	s.awaitNumber("SELECT count() FROM clickstream.events", 300)
	s.awaitCommitted()
	consume.stop()
	if got := s.misplaced(); got > 0 {
		t.Errorf("%d rows have the coordinate of another record", got)
	}
	s.verifies(verify.Counts{Records: 500, Rows: 300, Missing: 200})
}

// TestBufferedEventsStayWhatTheyAre: a batch that a buffer has acknowledged is still on
// its way, and nobody may use its memory for another one.
func TestBufferedEventsStayWhatTheyAre(t *testing.T) {
	s := newStack(t)
	const n = 200_000
	s.produce(numbered(n)...)
	pipeline := pipelineWith(t, "processors: []", "processors: []\n\nbuffer: { memory: { limit: 1073741824 } }")
	consume := start(t, s.env("HTTP_ADDRESS="+freeAddress(t)), "-c", pipeline)
	s.awaitNumber("SELECT count() FROM clickstream.events", n)
	s.awaitCommitted()
	consume.stop()
	if got := s.misplaced(); got > 0 {
		t.Errorf("%d rows do not hold the event of their record", got)
	}
	s.verifies(verify.Counts{Records: n, Rows: n}, "--content")
}

// TestProcessorDeletesMetadata: where nobody can tell any more what record a row is of,
// the process stops and says why; nothing is stored under another's coordinate.
func TestProcessorDeletesMetadata(t *testing.T) {
	s := newStack(t)
	s.produce(numbered(10)...)
	pipeline := pipelineWith(t, "processors: []", "processors: [ { mapping: 'meta = deleted()' } ]")
	consume := start(t, s.env("HTTP_ADDRESS="+freeAddress(t)), "-c", pipeline)
	if code := consume.exit(); code != exitFailure {
		t.Errorf("exit code: got %d, want %d", code, exitFailure)
	}
	if got := lastLines(consume.out.String(), 1); !strings.Contains(got, "a processor has removed the metadata key clickstream_record") {
		t.Errorf("last line: got %s", got)
	}
	if got := s.number("SELECT count() FROM clickstream.events"); got != 0 {
		t.Errorf("got %d rows, want none", got)
	}
}

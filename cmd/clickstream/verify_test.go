package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/verify"
	"clickstream/plugins/clickhouse/exactlyonce"
)

// verify runs `clickstream verify --json` and returns exit code and answer.
func (s *stack) verify(args ...string) (int, verify.Report) {
	s.t.Helper()
	p := start(s.t, s.env(), append([]string{"verify", "--json"}, args...)...)
	code := p.exit()
	var report verify.Report
	if err := json.Unmarshal([]byte(p.out.String()), &report); err != nil {
		s.t.Fatalf("verify: exit code %d, no JSON (%v):\n%s", code, err, p.out)
	}
	return code, report
}

// verifies fails unless verify says want: of the counts that want names, and the exit
// code that follows.
func (s *stack) verifies(want verify.Counts, args ...string) verify.Report {
	s.t.Helper()
	code, report := s.verify(args...)
	wantCode := exitOK
	if want.Missing+want.Duplicated+want.Gaps+want.Altered > 0 {
		wantCode = exitFailure
	}
	if code != wantCode || report.Exact != (wantCode == exitOK) || report.Total != want {
		s.t.Errorf("verify\n got %+v, exact %t, exit code %d\nwant %+v, exit code %d\n%+v\n%q", report.Total, report.Exact, code, want, wantCode, report.Findings, report.Notes)
	}
	return report
}

// verifiable is a stack with records that are stored, 60 of them in partition 0, and no
// process that writes.
func verifiable(t *testing.T, others ...string) *stack {
	t.Helper()
	s := newStack(t)
	records := make([]*kgo.Record, 0, 60)
	for i := range 60 {
		records = append(records, &kgo.Record{Topic: "clickstream", Partition: 0, Value: []byte(eventJSON(i))})
	}
	if err := s.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if len(others) > 0 {
		s.produce(others...)
	}
	consume := s.pipeline("consume", nil)
	s.drained()
	consume.stop()
	s.allCommitted()
	return s
}

func (s *stack) exec(statement string) {
	s.t.Helper()
	if err := s.connect().Exec(s.t.Context(), statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// remove deletes rows of partition 0.
func (s *stack) remove(where string) {
	s.t.Helper()
	s.exec("ALTER TABLE clickstream.events DELETE WHERE _partition = 0 AND " + where + " SETTINGS mutations_sync = 1")
}

// finding is where a report's only finding is.
func finding(t *testing.T, r verify.Report, kind string, want ...verify.Range) verify.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Kind == kind && f.Partition == 0 && fmt.Sprint(f.First) == fmt.Sprint(want) {
			return f
		}
	}
	t.Errorf("findings\n got %+v\nwant %s of partition 0 at %v", r.Findings, kind, want)
	return verify.Finding{}
}

func TestVerifyClean(t *testing.T) {
	s := verifiable(t, "no event", "none either", eventJSON(1000))
	s.verifies(verify.Counts{Records: 63, Rows: 61, DeadLetters: 2})
	p := start(t, s.env(), "verify")
	if code := p.exit(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
	last := lastLines(p.out.String(), 1)
	if !strings.HasPrefix(last, "every one of 63 records is exactly one row or one dead letter (up to the offsets committed at ") {
		t.Errorf("the last line is no verdict:\n%s", p.out)
	}
	// A crash between letter and commit repeats the letter: it counts once.
	s.exec("SYSTEM STOP MERGES clickstream.dead_letters")
	s.exec("INSERT INTO clickstream.dead_letters SELECT * FROM clickstream.dead_letters")
	if got := s.number("SELECT count() FROM clickstream.dead_letters"); got != 4 {
		t.Fatalf("%d rows in dead_letters, want 4: this test would prove nothing", got)
	}
	s.verifies(verify.Counts{Records: 63, Rows: 61, DeadLetters: 2})
}

func TestVerifyFindsMissingRow(t *testing.T) {
	s := verifiable(t)
	s.remove("_offset IN (17, 18, 40)")
	r := s.verifies(verify.Counts{Records: 60, Rows: 57, Missing: 3})
	f := finding(t, r, "missing", verify.Range{First: 17, Last: 18}, verify.Range{First: 40, Last: 40})
	if got := s.number("SELECT toUInt64(groupBitXor(first * 100 + last)) FROM (" + f.SQL + ")"); got != (17*100+18)^(40*100+40) {
		t.Errorf("the SQL of the finding does not show 17 to 18 and 40 (%d):\n%s", got, f.SQL)
	}
	p := start(t, s.env(), "verify")
	if code := p.exit(); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	for _, want := range []string{"partition 0: no row and no dead letter for offsets 17-18, 40\n", "\nNOT every record is exactly one row or one dead letter: of 60 records 3 missing, 0 duplicated, 0 gaps (up to"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("the answer lacks %q:\n%s", want, p.out)
		}
	}
	s.remove("_offset >= 50") // at the end nothing above tells of the missing ones
	s.verifies(verify.Counts{Records: 60, Rows: 47, Missing: 13})
	s.exec("TRUNCATE TABLE clickstream.events")
	s.verifies(verify.Counts{Records: 60, Missing: 60})
}

func TestVerifyFindsDuplicates(t *testing.T) {
	s := verifiable(t)
	s.exec("INSERT INTO clickstream.events SELECT * FROM clickstream.events WHERE _offset IN (5, 30)")
	r := s.verifies(verify.Counts{Records: 60, Rows: 62, Duplicated: 2})
	f := finding(t, r, "duplicated", verify.Range{First: 5, Last: 5}, verify.Range{First: 30, Last: 30})
	if got := s.number("SELECT sum(toUInt64(_offset)) FROM (" + f.SQL + ")"); got != 35 {
		t.Errorf("the SQL of the finding does not show 5 and 30 (%d):\n%s", got, f.SQL)
	}
	if r.RepeatedEventIDs == nil || *r.RepeatedEventIDs != 0 {
		t.Errorf("repeated event ids: got %v, want 0: a row that repeats a record is counted already", r.RepeatedEventIDs)
	}
	// A duplicate must not make up for a missing row.
	s.remove("_offset = 6")
	s.remove("_offset = 7")
	s.verifies(verify.Counts{Records: 60, Rows: 60, Missing: 2, Duplicated: 2})
}

func TestVerifyFindsRowWithLetter(t *testing.T) {
	s := verifiable(t)
	s.exec(`INSERT INTO clickstream.dead_letters (reason, field, message, payload, received_at, _stream, _partition, _offset)
		SELECT 'r', 'f', 'm', 'p', now64(3), _stream, _partition, _offset FROM clickstream.events WHERE _offset = 9`)
	r := s.verifies(verify.Counts{Records: 60, Rows: 60, DeadLetters: 1, Duplicated: 1})
	finding(t, r, "duplicated", verify.Range{First: 9, Last: 9})
	s.remove("_offset = 10") // sums agree, records do not
	s.verifies(verify.Counts{Records: 60, Rows: 59, DeadLetters: 1, Missing: 1, Duplicated: 1})
}

// trim deletes the records of partition 0 below an offset.
func (s *stack) trim(below int64) {
	s.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset("clickstream", 0, below, -1)
	done, err := kadm.NewClient(s.kafka()).DeleteRecords(s.t.Context(), offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestVerifyTrimmedTopic(t *testing.T) {
	s := verifiable(t)
	s.trim(30)
	s.verifies(verify.Counts{Records: 60, Rows: 60})
	s.remove("_offset IN (20, 21, 22, 35)")
	r := s.verifies(verify.Counts{Records: 60, Rows: 56, Missing: 1, Gaps: 3})
	finding(t, r, "gap", verify.Range{First: 20, Last: 22})
	finding(t, r, "missing", verify.Range{First: 35, Last: 35})
	// Below the lowest stored offset nothing tells that there ever was a record.
	s.remove("_offset < 23")
	s.verifies(verify.Counts{Records: 37, Rows: 36, Missing: 1})
	s.exec("INSERT INTO clickstream.events SELECT * FROM clickstream.events WHERE _offset = 24")
	s.verifies(verify.Counts{Records: 37, Rows: 37, Missing: 1, Duplicated: 1})
}

// What the broker deleted before the group had read it is lost, committed or not.
func TestVerifyDeletedUnread(t *testing.T) {
	s := verifiable(t)
	records := make([]*kgo.Record, 20)
	for i := range records {
		records[i] = &kgo.Record{Topic: "clickstream", Partition: 0, Value: []byte(eventJSON(2000 + i))}
	}
	if err := s.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s.verifies(verify.Counts{Records: 60, Rows: 60, Lag: 20})
	s.trim(70)
	r := s.verifies(verify.Counts{Records: 70, Rows: 60, Gaps: 10, Lag: 10})
	finding(t, r, "gap", verify.Range{First: 60, Last: 69})
}

// Rows whose offsets a broker gave out twice lie under the next stream: both count.
func TestVerifyReusedOffsets(t *testing.T) {
	s := verifiable(t)
	s.exec("ALTER TABLE clickstream.events DROP CONSTRAINT current_owner")
	stream := s.number("SELECT any(_stream) FROM clickstream.events")
	next := exactlyonce.Successor(exactlyonce.Partition{Stream: stream})
	s.exec(fmt.Sprintf(`INSERT INTO clickstream.events SELECT * REPLACE (%d AS _stream, generateUUIDv4() AS event_id)
		FROM clickstream.events WHERE _offset < 3`, next.Stream))
	s.verifies(verify.Counts{Records: 60, Rows: 63, Reused: 3})
	s.remove(fmt.Sprintf("_stream = %d AND _offset IN (2, 3)", stream))
	// What lies at offset 2 now is another event's: the record of the log has no row.
	s.verifies(verify.Counts{Records: 60, Rows: 61, Reused: 2, Missing: 1, Altered: 1})
}

// Rows of other topics are told of, and no fault.
func TestVerifyOtherStreams(t *testing.T) {
	s := verifiable(t)
	s.exec("ALTER TABLE clickstream.events DROP CONSTRAINT current_owner")
	s.exec("INSERT INTO clickstream.events SELECT * REPLACE (toUInt64(7) AS _stream) FROM clickstream.events WHERE _offset < 3")
	s.exec("INSERT INTO clickstream.events SELECT * REPLACE (toUInt64(0) AS _stream) FROM clickstream.events WHERE _offset >= 57 AND _offset < 59")
	r := s.verifies(verify.Counts{Records: 60, Rows: 60})
	for _, want := range []string{"3 rows are of another topic, or of an earlier one of this name (_stream = 7)", "2 rows have no coordinate"} {
		if !strings.Contains(strings.Join(r.Notes, "\n"), want) {
			t.Errorf("notes\n got %q\nwant %q", r.Notes, want)
		}
	}
}

// A killed broker may have appended a record twice: two records, two rows, one event.
func TestVerifyRepeatedEventIDs(t *testing.T) {
	s := verifiable(t, eventJSON(1), eventJSON(2), eventJSON(2))
	r := s.verifies(verify.Counts{Records: 63, Rows: 63})
	if r.RepeatedEventIDs == nil || *r.RepeatedEventIDs != 3 {
		t.Errorf("repeated event ids: got %v, want 3", r.RepeatedEventIDs)
	}
	if r := s.verifies(verify.Counts{Records: 63, Rows: 63}, "--no-event-ids"); r.RepeatedEventIDs != nil {
		t.Errorf("repeated event ids: got %d, want none counted", *r.RepeatedEventIDs)
	}
}

// Marks of transactions and aborted records are no records.
func TestVerifyHolesInTheLog(t *testing.T) {
	s := newStack(t)
	client := s.kafka(kgo.TransactionalID("verify"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	transaction := func(n int, end kgo.TransactionEndTry) {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			client.Produce(t.Context(), &kgo.Record{Topic: "clickstream", Value: []byte(eventJSON(n + i))}, nil)
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	transaction(0, kgo.TryCommit)   // 0 to 4, mark 5
	transaction(100, kgo.TryAbort)  // 6 to 10, mark 11
	transaction(200, kgo.TryCommit) // 12 to 16, mark 17
	s.produceTo0(eventJSON(300))    // 18
	consume := s.pipeline("consume", nil)
	s.awaitNumber("SELECT count() FROM clickstream.events", 11)
	consume.stop()
	s.verifies(verify.Counts{Records: 11, Rows: 11, Holes: 8})
	s.remove("_offset IN (4, 12)")
	r := s.verifies(verify.Counts{Records: 11, Rows: 9, Missing: 2, Holes: 8})
	finding(t, r, "missing", verify.Range{First: 4, Last: 4}, verify.Range{First: 12, Last: 12})
}

func (s *stack) produceTo0(value string) {
	s.t.Helper()
	r := &kgo.Record{Topic: "clickstream", Partition: 0, Value: []byte(value)}
	if err := s.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(s.t.Context(), r).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// TestVerifyLive: while events flow, what is committed is exact; --wait waits for what
// the topic holds at that moment.
func TestVerifyLive(t *testing.T) {
	s := newStack(t)
	produce := s.pipeline("produce", []string{"RATE=2000"})
	consume := s.pipeline("consume", nil, quick...)
	s.awaitProduced(1)                                             // or there would be nothing to wait for
	if code, report := s.verify("--wait", "60s"); code != exitOK { // now the group has committed something
		t.Fatalf("exit code %d: %+v", code, report)
	}
	var last int64
	for range 5 {
		code, report := s.verify()
		if code != exitOK || !report.Exact {
			t.Fatalf("exit code %d: %+v\n%+v", code, report.Total, report.Findings)
		}
		if report.Total.Records < last {
			t.Errorf("%d records, and %d before", report.Total.Records, last)
		}
		last = report.Total.Records
	}
	var before int64
	for _, end := range s.ends("clickstream") {
		before += end
	}
	code, report := s.verify("--wait", "30s")
	if code != exitOK || report.Total.Records < before {
		t.Errorf("exit code %d, %d records: want all %d that were there", code, report.Total.Records, before)
	}
	produce.stop()
	consume.stop()
	if got := report.Total.Records; got == 0 || last == 0 {
		t.Errorf("%d and %d records: this test would prove nothing", last, got)
	}
}

// A table that lost old rows on purpose is verified from a time on.
func TestVerifySince(t *testing.T) {
	s := verifiable(t)
	s.exec("INSERT INTO clickstream.events SELECT * FROM clickstream.events WHERE _offset = 50")
	tick := time.NewTicker(1100 * time.Millisecond) // the flag has a resolution of a second
	<-tick.C
	since := time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
	tick.Stop()
	s.produceTo0(eventJSON(100))
	consume := s.pipeline("consume", nil)
	s.drained()
	consume.stop()
	s.remove("_offset < 20")
	s.verifies(verify.Counts{Records: 61, Rows: 42, Missing: 20, Duplicated: 1})
	r := s.verifies(verify.Counts{Records: 41, Rows: 42, Duplicated: 1}, "--since", since)
	if got := strings.Join(r.Notes, "\n"); !strings.Contains(got, "partition 0: offsets 0-59 are older than") {
		t.Errorf("notes: got %q, want what was left out", got)
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	s := verifiable(t)
	nowhere := freeAddress(t)
	for name, tc := range map[string]struct {
		env, args []string
		code      int
		want      []string
	}{
		"no broker":      {[]string{"KAFKA_BROKERS=" + nowhere}, nil, exitFailure, []string{"verify: Kafka at " + nowhere + " does not answer: ", "; start it, correct its address, or wait longer with --wait"}},
		"no engine":      {[]string{"CLICKHOUSE_ADDR=" + nowhere}, nil, exitFailure, []string{"verify: ClickHouse at " + nowhere + " does not answer: "}},
		"no topic":       {nil, []string{"--topic", "clicks"}, exitFailure, []string{"verify: kafka: topic \"clicks\" does not exist: check --topic, or create it with `clickstream init`"}},
		"no database":    {nil, []string{"--database", "elsewhere"}, exitFailure, []string{`of database "elsewhere": `, "; check --database, or create the tables with `clickstream init`"}},
		"no such group":  {nil, []string{"--group", "nobody"}, exitFailure, []string{`nothing is proven: group "nobody" has committed nothing of the 60 records in topic "clickstream"; check --group, or start the consumer`}},
		"nobody commits": {nil, []string{"--group", "nobody", "--wait", "200ms"}, exitFailure, []string{`verify: group "nobody" has not committed 60 of the topic's records after 200ms; is the consumer running?`}},
		"bad topic":      {nil, []string{"--topic", "a b"}, exitConfig, []string{"verify: --topic: want 1 to 249 of the characters"}},
		"bad address":    {[]string{"CLICKHOUSE_ADDR=localhost"}, nil, exitConfig, []string{`verify: clickhouse addresses: want host:port, got "localhost", which has no port`}},
		"no password":    {[]string{"KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_USER=ann"}, nil, exitConfig, []string{"kafka sasl: PLAIN wants KAFKA_USER and KAFKA_PASSWORD"}},
		"password file":  {[]string{"CLICKHOUSE_PASSWORD_FILE=/nowhere/at/all"}, nil, exitConfig, []string{"verify: CLICKHOUSE_PASSWORD_FILE: open /nowhere/at/all"}},
		"argument":       {nil, []string{"clickstream"}, exitUsage, []string{`verify: want flags only, got "clickstream"`}},
		"unknown flag":   {nil, []string{"--fast"}, exitUsage, []string{"verify: there is no flag --fast; `clickstream verify --help` lists the flags"}},
		"negative wait":  {nil, []string{"--wait", "-1s"}, exitUsage, []string{"verify: --wait: want 0s or more, got -1s"}},
		"bad since":      {nil, []string{"--since", "yesterday"}, exitUsage, []string{"yesterday"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(s.env(), tc.env...), append([]string{"verify"}, tc.args...)...)
			if code := p.exit(); code != tc.code {
				t.Errorf("exit code: got %d, want %d", code, tc.code)
			}
			for _, want := range tc.want {
				if got := p.out.String(); !strings.Contains(got, want) {
					t.Errorf("output\n got %s\nwant ...%s...", got, want)
				}
			}
		})
	}
}

// TestTombstones: a record without a value is a dead letter, or nothing at all where the
// input passes it over, and neither is missing.
func TestTombstones(t *testing.T) {
	for tombstones, want := range map[string]verify.Counts{
		"deliver": {Records: 3, Rows: 2, DeadLetters: 1},
		"skip":    {Records: 2, Rows: 2, Holes: 1},
	} {
		t.Run(tombstones, func(t *testing.T) {
			s := newStack(t)
			to0 := s.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner()))
			for _, value := range [][]byte{[]byte(eventJSON(0)), nil, []byte(eventJSON(1))} {
				if err := to0.ProduceSync(t.Context(), &kgo.Record{Topic: "clickstream", Key: []byte("user_1"), Value: value}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			consume := s.pipeline("consume", nil, "--set", "input.kafka.tombstones="+tombstones)
			s.awaitNumber("SELECT count() FROM clickstream.events WHERE _offset = 2", 1)
			consume.stop()
			s.verifies(want)
			if got := s.number("SELECT count() FROM clickstream.dead_letters WHERE reason = 'no_value' AND payload = '' AND _offset = 1"); got != uint64(want.DeadLetters) {
				t.Errorf("got %d letters, want %d", got, want.DeadLetters)
			}
		})
	}
}

package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/event"
	"clickstream/internal/schema"
	"clickstream/plugins/clickhouse/exactlyonce"
)

const (
	testTopic = "clickstream"
	testGroup = "clickstream-consumer"
)

// fixture is a topic with one partition in a broker, and tables in an engine.
type fixture struct {
	t        *testing.T
	client   *kgo.Client
	admin    *kadm.Client
	conn     driver.Conn
	database string
	stream   uint64
}

func newFixture(t *testing.T, records int) *fixture {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.MaxBufferedRecords(1<<20), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	server := enginetest.Start(t)
	f := &fixture{t: t, client: client, admin: kadm.NewClient(client), conn: server.Conn(t, ""), database: server.Database(t)}
	if _, err := schema.Apply(t.Context(), f.conn, schema.Options{Database: f.database, EventsRetention: 90, DeadLettersRetention: 90}); err != nil {
		t.Fatal(err)
	}
	f.exec("ALTER TABLE {db}.events DROP CONSTRAINT current_owner")
	m, err := f.admin.Metadata(t.Context(), testTopic)
	if err != nil {
		t.Fatal(err)
	}
	f.stream = event.Stream(m.Cluster, m.Topics[testTopic].ID)
	for range records {
		client.Produce(t.Context(), &kgo.Record{Topic: testTopic, Value: []byte("x")}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) exec(sql string) {
	f.t.Helper()
	if err := f.conn.Exec(f.t.Context(), strings.ReplaceAll(sql, "{db}", f.database)); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// store adds a row or a letter for each offset, in one insert.
func (f *fixture) store(table string, stream uint64, offsets []int64) {
	f.t.Helper()
	columns := "event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset"
	if table == "dead_letters" {
		columns = "reason, field, message, payload, received_at, _stream, _partition, _offset"
	}
	batch, err := f.conn.PrepareBatch(f.t.Context(), "INSERT INTO "+f.database+"."+table+" ("+columns+")")
	if err != nil {
		f.t.Fatal(err)
	}
	now := time.Now()
	for _, o := range offsets {
		if table == "dead_letters" {
			err = batch.Append("r", "f", "m", "p", now, stream, int32(0), o)
		} else {
			err = batch.Append(fmt.Sprintf("00000000-0000-4000-%04x-%012x", stream&0xffff, o), "purchase", "u", "p", "1", now, now, stream, int32(0), o)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) commit(offset int64) {
	f.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(testTopic, 0, offset, -1)
	if err := f.admin.CommitAllOffsets(f.t.Context(), testGroup, offsets); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) trim(below int64) {
	f.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(testTopic, 0, below, -1)
	if _, err := f.admin.DeleteRecords(f.t.Context(), offsets); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) run(change ...func(*Settings)) *Report {
	f.t.Helper()
	s := Settings{Topic: testTopic, Group: testGroup, Database: f.database, EventIDs: true}
	for _, c := range change {
		c(&s)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, f.client, f.conn, s)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// TestRandomFaults plants faults over several chunks, at random, and holds the report
// against a count that takes each offset by itself. CLICKSTREAM_SEED repeats a run's.
func TestRandomFaults(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("CLICKSTREAM_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("CLICKSTREAM_SEED=%d", seed)
	const records = 5*chunkSize/2 + 77
	f := newFixture(t, records)
	next := exactlyonce.Successor(exactlyonce.Partition{Stream: f.stream}).Stream
	for round := range 6 {
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		f.exec("TRUNCATE TABLE {db}.events")
		f.exec("TRUNCATE TABLE {db}.dead_letters")
		committed := int64(records) - r.Int64N(chunkSize)
		start := int64(round)*5000 - min(int64(round), 1)*r.Int64N(5000) // a log's start only grows; round 0 is not trimmed
		f.trim(start)
		f.commit(committed)
		want := f.plant(r, plan{start: start, committed: committed, next: next, clean: round == 1})
		got := f.run()
		if got.Total != want.Counts || got.Exact != (want.Missing+want.Duplicated+want.Gaps == 0) {
			t.Errorf("round %d, log from %d, committed %d:\n got %+v\nwant %+v", round, start, committed, got.Total, want.Counts)
		}
		for _, f := range got.Findings {
			if fmt.Sprint(f.First) != fmt.Sprint(want.first[f.Kind]) {
				t.Errorf("round %d: %s\n got %v\nwant %v", round, f.Kind, f.First, want.first[f.Kind])
			}
		}
	}
}

// plan is what a round of TestRandomFaults is like.
type plan struct {
	start, committed int64 // of the log
	next             uint64
	clean            bool
}

// expected is what verify should say.
type expected struct {
	Counts
	first map[string][]Range
}

func (e *expected) fault(kind string, o, n int64) {
	list := e.first[kind]
	switch {
	case len(list) > 0 && list[len(list)-1].Last+1 == o:
		list[len(list)-1].Last = o
	default:
		e.first[kind] = append(list, Range{o, o})
	}
	switch kind {
	case missing:
		e.Missing += n
	case duplicated:
		e.Duplicated += n
	case gap:
		e.Gaps += n
	}
}

// plant stores rows and letters, one for most offsets, and counts what it did.
func (f *fixture) plant(r *rand.Rand, p plan) expected {
	var rows, again, moved, letters []int64
	e := expected{first: map[string][]Range{}}
	lowest := p.start - min(p.start, r.Int64N(chunkSize/8)) // the tables go back as far
	total := int64(0)
	e.Lag = int64(5*chunkSize/2+77) - p.committed
	for o := lowest; o < p.committed+100; o++ { // those beyond are not committed yet
		var row, rowAgain, rowMoved, letter bool
		switch n := r.IntN(2000); {
		case o == lowest || p.clean && n > 10:
			row = true
		case n < 10:
			letter = true
		case p.clean:
			row = true
		case n < 12:
			row, letter = true, true
		case n < 14:
			row, rowAgain = true, true
		case n < 16:
			row, rowMoved = true, true
		case n < 17:
			rowMoved = true
		case n < 20 || o > lowest && o < lowest+5 || o/chunkSize == 1 && o%chunkSize < 3000: // a run
		default:
			row = true
		}
		lists := []*[]int64{&rows, &again, &moved, &letters}
		n := int64(0)
		for i, is := range []bool{row, rowAgain, rowMoved, letter} {
			if is {
				*lists[i] = append(*lists[i], o)
				n++
			}
		}
		if o >= p.committed {
			continue
		}
		total++
		if letter {
			e.DeadLetters++
			n--
		}
		e.Rows += n
		switch {
		case row && rowMoved:
			e.Reused++
		case rowAgain, row && letter:
			e.fault(duplicated, o, 1)
		case n == 0 && !letter && o < p.start:
			e.fault(gap, o, 1)
		case n == 0 && !letter:
			e.fault(missing, o, 1)
		}
	}
	e.Records = total
	for k := range e.first {
		e.first[k] = e.first[k][:min(len(e.first[k]), listedRanges)]
	}
	f.store("events", f.stream, rows)
	f.store("events", f.stream, again)
	f.store("events", p.next, moved)
	f.store("dead_letters", f.stream, letters)
	f.store("dead_letters", f.stream, letters) // sent twice
	return e
}

// TestLookupTime: what could not be looked for counts as missing, and is told of.
func TestLookupTime(t *testing.T) {
	f := newFixture(t, 100)
	f.commit(100)
	f.store("events", f.stream, []int64{0, 1, 2})
	r := f.run(func(s *Settings) { s.LookupTime = time.Nanosecond })
	if want := (Counts{Records: 100, Rows: 3, Missing: 97, Unread: 97}); r.Total != want {
		t.Errorf("total\n got %+v\nwant %+v", r.Total, want)
	}
	if got := strings.Join(r.asides(), "\n"); !strings.Contains(got, "97 of the missing offsets were not looked for in the log") {
		t.Errorf("asides: got %q", got)
	}
}

// TestTagOfAnotherTopic: offsets that were committed for a deleted topic of this name
// mean nothing in this one.
func TestTagOfAnotherTopic(t *testing.T) {
	f := newFixture(t, 100)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: testTopic, Partition: 0, At: 60, LeaderEpoch: -1, Metadata: event.CommitTag(f.stream + 1)})
	if err := f.admin.CommitAllOffsets(t.Context(), testGroup, offsets); err != nil {
		t.Fatal(err)
	}
	r := f.run()
	if want := (Counts{Lag: 100}); r.Total != want || r.Exact {
		t.Errorf("got %+v, exact %t\nwant %+v and no proof", r.Total, r.Exact, want)
	}
}

// TestRowsBeyondTheLog: a broker that lost the end of its log is told of.
func TestRowsBeyondTheLog(t *testing.T) {
	f := newFixture(t, 10)
	f.commit(10)
	f.store("events", f.stream, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	r := f.run()
	want := "partition 0: rows go up to offset 11, the log ends at 10: the broker has lost records that are stored"
	if !r.Exact || len(r.Notes) != 1 || r.Notes[0] != want {
		t.Errorf("exact %t, notes\n got %q\nwant %q", r.Exact, r.Notes, want)
	}
}

// TestUnreadPartition: records of a partition that the group knows nothing of are not
// passed over in the verdict.
func TestUnreadPartition(t *testing.T) {
	f := newFixture(t, 10)
	f.commit(10)
	f.store("events", f.stream, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	if _, err := f.admin.UpdatePartitions(t.Context(), 3, testTopic); err != nil {
		t.Fatal(err)
	}
	if r := f.run(); !r.Exact {
		t.Errorf("empty partitions: got %s", r.Verdict())
	}
	late, err := kgo.NewClient(f.client.Opts()...)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	produced := late.ProduceSync(t.Context(), &kgo.Record{Topic: testTopic, Partition: 2, Value: []byte("x")}, &kgo.Record{Topic: testTopic, Partition: 2, Value: []byte("x")})
	if err := produced.FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := f.run()
	want := `NOT every partition is read: group "` + testGroup + `" has committed nothing of partition 2, 2 records; of the others every one of 10 records is exactly one row or one dead letter`
	if got := r.Verdict(); r.Exact || !strings.HasPrefix(got, want) {
		t.Errorf("exact %t\n got %s\nwant %s", r.Exact, got, want)
	}
}

// TestRetention: what the tables' retention may have deleted is not missing.
func TestRetention(t *testing.T) {
	f := newFixture(t, 0)
	old := time.Now().Add(-91 * 24 * time.Hour)
	for i := range 20 {
		r := &kgo.Record{Topic: testTopic, Value: []byte("x"), Timestamp: old}
		if i >= 12 {
			r.Timestamp = time.Now()
		}
		if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	f.commit(20)
	f.store("events", f.stream, []int64{12, 13, 14, 16, 17, 18, 19})
	r := f.run()
	if want := (Counts{Records: 8, Rows: 7, Missing: 1}); r.Total != want {
		t.Errorf("with 90 days\n got %+v\nwant %+v", r.Total, want)
	}
	f.exec("ALTER TABLE {db}.events REMOVE TTL")
	f.exec("ALTER TABLE {db}.dead_letters REMOVE TTL")
	r = f.run()
	if want := (Counts{Records: 20, Rows: 7, Missing: 13}); r.Total != want {
		t.Errorf("for ever\n got %+v\nwant %+v", r.Total, want)
	}
}

// TestEventIDSlices: the count is the same in however many slices it is made, and a
// slice that does not fit into the engine's memory is cut smaller.
func TestEventIDSlices(t *testing.T) {
	f := newFixture(t, 0)
	offsets := make([]int64, 50_000)
	for i := range offsets {
		offsets[i] = int64(i)
	}
	f.store("events", f.stream, offsets)
	f.store("events", f.stream, offsets[:123])
	tables, err := openTables(t.Context(), f.conn, f.database, testGroup, f.stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, slices := range []int64{1, 2, 13} {
		if n, err := tables.repeatedIn(t.Context(), slices); n != 123 || err != nil {
			t.Errorf("%d slices: got %d, %v, want 123", slices, n, err)
		}
	}
}

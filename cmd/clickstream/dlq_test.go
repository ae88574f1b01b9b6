package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/deadletters"
)

// dlq runs `clickstream dlq args...` and returns what it printed.
func (s *stack) dlq(wantCode int, args ...string) string {
	s.t.Helper()
	p := start(s.t, s.env(), append([]string{"dlq"}, args...)...)
	if code := p.exit(); code != wantCode {
		s.t.Fatalf("dlq %s: exit code %d, want %d:\n%s", strings.Join(args, " "), code, wantCode, p.out)
	}
	return p.out.String()
}

// prints fails unless the output of a command that succeeds holds each of want.
func (s *stack) prints(command string, want ...string) string {
	s.t.Helper()
	out := s.dlq(exitOK, strings.Fields(command)...)
	for _, w := range want {
		if !strings.Contains(out, w) {
			s.t.Errorf("dlq %s\n got %s\nwant ...%s...", command, out, w)
		}
	}
	return out
}

// lettersOf writes records to partition 0 while a consumer stores and refuses them.
func lettersOf(t *testing.T, values ...string) *stack {
	t.Helper()
	s := newStack(t)
	s.feed(values...)
	return s
}

func (s *stack) feed(values ...string) {
	s.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: "clickstream", Value: []byte(v), Key: []byte(fmt.Sprint("key ", i))}
	}
	if err := s.kafka(kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(s.t.Context(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	s.settle()
}

// settle has a consumer read all there is.
func (s *stack) settle(args ...string) {
	s.t.Helper()
	consume := s.pipeline("consume", nil, args...)
	s.awaitAll()
	consume.stop()
}

// awaitAll waits until every committed record of the topic is a row or a letter.
func (s *stack) awaitAll() {
	s.t.Helper()
	s.awaitNumber(`SELECT (SELECT count() FROM clickstream.events) + (SELECT uniqExact(_stream, _partition, _offset) FROM clickstream.dead_letters)`,
		uint64(len(s.readCommitted("clickstream"))))
}

// readCommitted is read for a topic with transactions.
func (s *stack) readCommitted(topic string) (records []*kgo.Record) {
	s.t.Helper()
	client := s.kafka(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer client.Close()
	starts, err := kadm.NewClient(client).ListStartOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if start, _ := starts.Lookup(topic, end.Partition); start.Offset < end.Offset {
			left[end.Partition] = end.Offset
		}
	})
	for len(left) > 0 {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err0(); err != nil {
			s.t.Fatalf("read %s: %v to go: %v", topic, left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}

// exactly fails unless verify finds every record to be one row or letter.
func (s *stack) exactly(records, rows, letters int64) {
	s.t.Helper()
	code, report := s.verify()
	got := report.Total
	if code != exitOK || !report.Exact || got.Records != records || got.Rows != rows || got.DeadLetters != letters {
		s.t.Errorf("verify: got %+v, exit code %d, want %d records, %d rows, %d letters\n%+v", got, code, records, rows, letters, report.Findings)
	}
}

// mended lets the consumer take prices that it refused before.
const mended = "output.fallback.0.clickhouse.limits.price.min=-10"

// negative is an event that is refused until the limit is mended.
func negative(n int) string { return strings.Replace(eventJSON(n), "29.99", "-1", 1) }

var letterTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)

// untimed puts T for times, so that the rest can be compared.
func untimed(text string) string { return letterTime.ReplaceAllString(text, "T") }

func TestDLQLooks(t *testing.T) {
	s := lettersOf(t, eventJSON(1), "{\"event_id\":\x1b[31m", negative(2), strings.Replace(eventJSON(3), `"user_0003"`, "42", 1), negative(4))
	stranger := &kgo.Record{Topic: "clickstream-dead-letters", Value: []byte("hello\n"), Headers: []kgo.RecordHeader{{Key: "reason", Value: []byte("\x1b[2Jodd")}}}
	if err := s.kafka().ProduceSync(t.Context(), stranger).FirstErr(); err != nil {
		t.Fatal(err)
	}
	list := s.dlq(exitOK, "list")
	if got, want := untimed(list), `LETTER  WRITTEN                   STATE  REASON          FIELD    ORIGIN           BYTES  NOTE
0:0     T  open   malformed_json  -        clickstream/0/1  17     -
0:1     T  open   out_of_range    price    clickstream/0/2  169    -
0:2     T  open   wrong_type      user_id  clickstream/0/3  163    -
0:3     T  open   out_of_range    price    clickstream/0/4  169    -
0:4     T  open   stranger        -        -                6      header reason: unknown code
`; got != want {
		t.Errorf("dlq list\n got %s\nwant %s", got, want)
	}
	if strings.Contains(list, "user_0") || strings.Contains(list, "\x1b") {
		t.Errorf("the list holds content:\n%s", list)
	}
	s.prints("list --json --reason out_of_range --limit 1", `{"letter":"0:1","written":"`, `"state":"open","reason":"out_of_range","field":"price","origin":"clickstream/0/2@`, `,"attempt":1,"size":169}`)
	for filter, want := range map[string]int{"--reason bad_time": 0, "--reason out_of_range --reason wrong_type": 3, "--field price": 2, "--reason stranger": 1, "--partition 0": 4, "--partition 1": 0, "--since 2999-01-01T00:00:00Z": 0, "--until 2999-01-01T00:00:00Z --limit 2": 2} {
		if got := strings.Count(s.prints("list "+filter), "\n") - 1; got != want {
			t.Errorf("list %s: %d letters, want %d", filter, got, want)
		}
	}
	s.prints("show 0:0", "origin     clickstream/0/1 of ", "reason     malformed_json\n", "key        key 1\n", "bytes      17\n",
		"\n  {\"event_id\":\\x1b[31m\n              ^^^^\nwant a value at byte 12\n")
	show := s.prints("show 0:2", "field      user_id\n")
	checkMark(t, show, "42")
	checkMark(t, s.prints("show 0:1"), "-1")
	if got, want := s.prints("show 0:4", `stranger   header reason: unknown code`), "  hello\\n\n"; !strings.Contains(got, want) || strings.Contains(got, "\x1b") {
		t.Errorf("show of a stranger\n got %q\nwant ...%q...", got, want)
	}
	if got, want := s.prints("show --raw 0:0"), "{\"event_id\":\x1b[31m"; got != want {
		t.Errorf("show --raw: got %q, want %q", got, want)
	}
	out := s.prints("stats", "\n5 letters, 5 open, 0 replayed and refused again; topic clickstream-dead-letters holds 5 records\n",
		"topic and table dead_letters, by origin: 4 in both, 0 in the topic only, 0 in the table only\n")
	if !strings.HasPrefix(strings.Split(out, "\n")[1], "out_of_range    price    2        2     0         0  ") {
		t.Errorf("dlq stats:\n%s", out)
	}
	var stats deadletters.Stats
	if err := json.Unmarshal([]byte(s.prints("stats --json --no-table --reason wrong_type")), &stats); err != nil || len(stats.Counts) != 1 || stats.Counts[0].Letters != 1 || stats.Table != nil {
		t.Errorf("stats --json: %v, got %+v", err, stats)
	}
}

func TestDLQShowsAndDrops(t *testing.T) {
	s := lettersOf(t, negative(1), "no event", negative(2), "none")
	for letter, want := range map[string]string{
		"0:9": `kafka: topic "clickstream-dead-letters": letter 0:9: the partition holds offsets from 0 to 3; `,
		"3:0": `letter 3:0: it has partitions 0 to 0`,
	} {
		if got := s.dlq(exitFailure, "show", letter); !strings.Contains(got, want) {
			t.Errorf("show %s: got %s, want ...%s...", letter, got, want)
		}
	}
	nowhere := freeAddress(t)
	if got, want := s.dlq(exitFailure, "stats", "--clickhouse", nowhere), "dlq stats: ClickHouse at "+nowhere+" does not answer: "; !strings.Contains(got, want) {
		t.Errorf("stats without ClickHouse: got %s, want ...%s...", got, want)
	}
	if got, want := s.dlq(exitFailure, "stats", "--database", "elsewhere"), "or leave the table out with --no-table"; !strings.Contains(got, want) {
		t.Errorf("stats of another database: got %s, want ...%s...", got, want)
	}
	s.prints("drop --reason malformed_json", "would drop 2 letters (2 malformed_json); --yes does it\n")
	s.prints("drop --reason malformed_json --yes --purge", "dropped 2 letters (2 malformed_json)\n", "deleted 0 offsets")
	s.prints("drop --reason malformed_json --yes", "dropped 0 letters\n")
	if got := untimed(s.prints("list")); strings.Count(got, "out_of_range") != 2 || strings.Contains(got, "malformed") {
		t.Errorf("dropped letters are listed:\n%s", got)
	}
	s.prints("list --all --reason malformed_json", "0:1", "dropped")
	s.prints("stats", "4 letters, 2 open, 0 replayed and refused again", "4 in both, 0 in the topic only, 0 in the table only")
	s.prints("replay", "replayed 2 letters")
	s.prints("drop --yes --purge", "dropped 0 letters\n", "deleted 4 offsets")
	s.exec("ALTER TABLE clickstream.dead_letters UPDATE payload = '' WHERE _offset = 0 SETTINGS mutations_sync = 1")
	s.settle("--set", mended)
	s.exactly(6, 2, 4)
}

// checkMark fails unless the marks in the drawing of a letter stand below want only.
func checkMark(t *testing.T, drawn, want string) {
	t.Helper()
	lines := strings.Split(drawn, "\n")
	for i, line := range lines {
		if from := strings.IndexByte(line, '^'); from >= 0 && strings.Trim(line, " ^") == "" {
			if got := lines[i-1][from:len(line)]; got != want {
				t.Errorf("marked %q, want %q:\n%s", got, want, drawn)
			}
			return
		}
	}
	t.Errorf("nothing is marked, want %q:\n%s", want, drawn)
}

func TestDLQSaysWhatIsWrong(t *testing.T) {
	s := &stack{t: t, dir: t.TempDir(), brokerAddr: freeAddress(t), native: freeAddress(t), http: freeAddress(t)}
	s.startBroker()
	nowhere := freeAddress(t)
	for name, tc := range map[string]struct {
		env  []string
		args string
		code int
		want string
	}{
		"no subcommand":  {nil, "", exitUsage, "dlq: want list, stats, show, replay or drop"},
		"unknown":        {nil, "reply", exitUsage, `dlq: want list, stats, show, replay or drop, got "reply"`},
		"no broker":      {[]string{"KAFKA_BROKERS=" + nowhere}, "list", exitFailure, "dlq list: Kafka at " + nowhere + " does not answer: "},
		"no broker to":   {[]string{"KAFKA_BROKERS=" + nowhere}, "replay", exitFailure, "dlq replay: Kafka at " + nowhere + " does not answer: "},
		"no topic":       {nil, "list", exitFailure, " does not exist: check --dead-letters-topic, or create it with `clickstream init`"},
		"bad topic":      {nil, "list --dead-letters-topic a/b", exitConfig, "dlq list: --dead-letters-topic: want 1 to 249 of the characters"},
		"same topic":     {nil, "replay --topic clickstream-dead-letters", exitConfig, "dlq replay: --topic: want the topic for events, got"},
		"unknown reason": {nil, "replay --reason bad", exitUsage, `--reason: want no_value, malformed_json, missing_field, `},
		"unknown flag":   {nil, "list --fast", exitUsage, "dlq list: there is no flag --fast; `clickstream dlq list --help` lists the flags"},
		"argument":       {nil, "list 0:1", exitUsage, `dlq list: want flags only, got "0:1"`},
		"no letter":      {nil, "show", exitUsage, "dlq show: want one PARTITION:OFFSET such as 0:17"},
		"bad letter":     {nil, "show 0-1", exitUsage, "dlq show: want one PARTITION:OFFSET such as 0:17"},
		"negative limit": {nil, "list --limit -1", exitUsage, "dlq list: --limit: want 0 or more, got -1"},
		"batch of none":  {nil, "replay --batch 0", exitUsage, "dlq replay: --batch: want 1 to 10000, got 0"},
		"bad since":      {nil, "list --since yesterday", exitUsage, "yesterday"},
		"no password":    {[]string{"KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_USER=ann"}, "drop", exitConfig, "kafka sasl: PLAIN wants KAFKA_USER and KAFKA_PASSWORD"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(s.env(), tc.env...), append([]string{"dlq"}, strings.Fields(tc.args)...)...)
			if code := p.exit(); code != tc.code {
				t.Errorf("exit code: got %d, want %d", code, tc.code)
			}
			if got := p.out.String(); !strings.Contains(got, tc.want) {
				t.Errorf("output\n got %s\nwant ...%s...", got, tc.want)
			}
		})
	}
}

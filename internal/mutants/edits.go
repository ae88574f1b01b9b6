package main

const (
	protocol = "./plugins/clickhouse/exactlyonce"
	output   = "./plugins/clickhouse"
	tables   = "./internal/schema"
	input    = "./plugins/kafka"
)

// edits are the rules, by file.
var edits = []edit{
	// The protocol.
	{"a new id after an unknown outcome", protocol + "/writer.go", "a.stage = unfenced", "_ = a", protocol, "Test", ""},
	{"the loser asks the group", protocol + "/writer.go", "sent[0].stage = lost", "sent[0].stage = unfenced", protocol, "Test", ""},
	{"one stale owner holds up nobody else", protocol + "/writer.go", "case len(sent) > 1:", "case false:", protocol, "Test", ""},
	{"what was inserted is not absent any more", protocol + "/writer.go", "a.absent = a.absent.without(a.insert)", "_ = a", protocol, "Test", ""},
	{"a revoked assignment stays over", protocol + "/recover.go", "a.stage = over", "a.stage = unfenced", protocol, "Test", ""},
	{"owner 0 is never drawn", protocol + "/recover.go", "id != 0", "true", protocol, "Test", ""},
	{"another assignment starts afresh", protocol + "/recover.go", "h == nil || h.assignment != p.Assignment", "h == nil", protocol, "Test", ""},
	{"below the top nothing counts as absent", protocol + "/recover.go", "h.absent = above(top)", "_ = top", protocol, "Test", ""},
	{"an id counts once it is acknowledged", protocol + "/recover.go", "h.claim, h.stage = claims[i], fenced", "h.claim, h.stage = claims[i], drained", protocol, "Test", ""},
	{"event ids are compared", protocol + "/readback.go", "a.Rows[i].ID == id", "true", protocol, "Test", ""},
	{"a row that repeats goes in once", protocol + "/readback.go", "case !repeats:", "default:", protocol, "Test", ""},
	{"collisions go to another stream", protocol + "/readback.go", "errs = append(errs, w.Write(ctx, []*Part{next}))", "next.Outcome = Written", protocol, "Test", ""},
	{"what is refused is looked for under the next stream too", protocol + "/readback.go", "if len(a.collided) == 0 {", "if true {", protocol, "TestModel|TestMutants", ""},
	{"spans are bounded", protocol + "/spans.go", "max(0, len(s)-maxSpans)", "0", protocol, "Test|Fuzz", ""},
	{"a set is asked from its end", protocol + "/spans.go", "offset <= s[i].last", "true", protocol, "Test|Fuzz", ""},

	// The output.
	{"another place than at the start is refused", "plugins/clickhouse/place.go", "if id == f.place.id {", "if true {", output, "TestTwoServers", "the fence write refuses it first; this is for what is asked between two fence writes"},
	{"the fence is written at one server", "plugins/clickhouse/fence.go", "!= '\"+f.place.id+\"') = 0", "!= '\"+f.place.id+\"') >= 0 OR true", output, "TestTwoServers", ""},
	{"the start asks others", "plugins/clickhouse/place.go", "there.id != here.id", "false", output, "TestTwoServers", ""},
	{"drain looks for log_comment", "plugins/clickhouse/fence.go", "err != nil || running == 0", "true", output, "TestDrainEnds", ""},
	{"reads pin the profile", "plugins/clickhouse/fence.go", "f.known(ctx, complete)", "f.known(ctx, pinned)", output, "TestReadsAreWhole", ""},
	{"an answer is held against its count", "plugins/clickhouse/look.go", "if got != want {", "if false {", output, "TestReadsAreWhole", "the pinned settings come first; what cuts an answer in spite of them nobody has found"},
	{"the fence is in memory", "plugins/clickhouse/guard.go", `!strings.Contains(fence, "persistent = 0")`, `fence == "none"`, output, "TestFenceOnDisk", ""},
	{"what the server refuses may be stored", "plugins/clickhouse/suspect.go", "err = o.find(ctx, []*suspect{s})", "", output, "TestViewRefuses", ""},
	{"what Go refuses may be stored", "plugins/clickhouse/suspect.go", "if !p.once || r.at.Source == nil {", "if true {", output, "TestRowOrLetter", ""},
	{"a row is filled by the server's columns", "plugins/clickhouse/server.go", "if err := matches(into, b.plan.bindings); err != nil {", "if err := error(nil); err != nil {", output, "TestPreparedColumns", ""},
	{"a table that changed is looked at", "plugins/clickhouse/server.go", "if s.stale = err != nil; s.stale &&", "if s.stale = false; err != nil &&", output, "TestColumnsChange|TestTableChanges", "fill holds the server's columns against the plan, too; this says it before the rows are sent"},
	{"owners go into the rows", "plugins/clickhouse/once.go", "binary.LittleEndian.PutUint64(owners[8*r.Index:], p.Owner)", "_, _ = owners, r", output, "TestRedelivery", ""},
	{"one output of a table in a process", "plugins/clickhouse/once.go", "if writing.tables[c.healthName()] {", "if false {", output, "TestOneWriter", ""},
	{"only that constraint means an owner", "plugins/clickhouse/guard.go", "exception.Code != 469", "false", output, "TestServerRefuses|TestViewRefuses|TestOnce", "the words before it are the constraint's own"},

	// The tables.
	{"rows of a time lie together", "config/clickhouse/001_events.sql", "ORDER BY (event_type, timestamp)", "ORDER BY tuple()", tables, "TestEventsAreFound", ""},
	{"offsets are found", "config/clickhouse/001_events.sql", ",\n\n    INDEX coordinate (_stream, _partition, _offset) TYPE minmax GRANULARITY 1", "", tables, "TestEventsAreFound", ""},
	{"owner 0 never passes", "config/clickhouse/003_owners.sql", "_owner != 0 AND ", "", tables, "TestOnlyTheOwner", ""},
	{"a restart empties the fence", "config/clickhouse/006_fence_in_memory.sql", ", persistent = 0", "", tables, "TestFenceForgets", ""},

	// The input. Its race guards have a test each where they are kept: plugins/kafka.
	{"an answer counts for its own attempt", "plugins/kafka/offsets.go", "s.attempt != attempt {\n\t\treturn false", "false {\n\t\treturn false", input, ".", ""},
	{"a closed assignment delivers nothing", "plugins/kafka/offsets.go", "if o.draining || o.closed || s.state != spanQueued {", "if s.state != spanQueued {", input, ".", "no test yet: what is delivered late is not committed, and its rows are refused"},
	{"a commit is of a member", "plugins/kafka/commit.go", "req.Generation < 0", "false", input, "TestNoCommit", ""},
	{"a commit is of what is still assigned", "plugins/kafka/commit.go", "if moved[p.Partition].offsets.Closed() {", "if _ = moved[p.Partition]; false {", input, "TestNoCommit", ""},
	{"latest is decided once for a group", "plugins/kafka/first.go", "if !s.config.latest ||", "if true || !s.config.latest ||", input, "TestLatest", ""},
	{"a record is told by its metadata", "internal/event/record.go", "if r == nil || !r.Keyed {", "if true {", "./cmd/clickstream", "TestProcessorsKeepRecords", ""},
	{"what is dropped is noted", "plugins/kafka/filtered.go", "if !filtered.Wanted() {", "if filtered.Wanted() {", "./cmd/clickstream", "TestFilteredIsNotMissing", ""},
	{"a record is of this topic", "plugins/kafka/poll.go", "t.TopicID != ([16]byte{}) && t.TopicID != s.facts.id", "false", input, "TestRecordsOfAnother", ""},
	{"a tail that was cut is noticed", "plugins/kafka/truncation.go", "end = min(end, e.EndOffset)", "_ = begin", input, "TestStopsAtALostTail", ""},
	{"what is all there is no loss", "plugins/kafka/truncation.go", "p.again = !ok", "p.again = ok && !ok", input, "TestAnUnknownEpoch", ""},

	// The demo.
	{"freshness counts from the event", "internal/demo/reading.go", "quantileTDigest(0.99)(dateDiff('millisecond', timestamp, inserted_at))", "quantileTDigest(0.99)(dateDiff('millisecond', received_at, inserted_at))", "./internal/demo", "TestFreshness", ""},
}

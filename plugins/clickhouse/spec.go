package clickhouse

import (
	"github.com/redpanda-data/benthos/v4/public/service"

	// Lint rules are Bloblang, parsed when this package starts: its methods must be
	// registered by then, and Go starts packages in the order of their imports.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
)

// version is what the server's query log shows.
const version = "0.1.0"

// duration lints what Benthos itself would only find when it builds the plugin.
const duration = `root = if this.parse_duration().catch(0) <= 0 { [ "want a duration above 0 like 500ms" ] }`

// spec is the only home of a field's name, unit, default and prose.
func spec() *service.ConfigSpec {
	return service.NewConfigSpec().Stable().Version(version).Categories("Services").
		Summary("Stores JSON messages as rows of any ClickHouse table, in large typed blocks.").
		Description(`Each message is one JSON object and becomes one row. The columns' types come from the table, which is read at the start and after
a reconnect; a column that is missing or cannot take its field stops the pipeline with a message that names both.

Batches gather in one block until it holds ` + "`max_rows`" + ` rows or ` + "`max_bytes`" + ` bytes, or its first row is ` + "`flush_interval`" + ` old, whichever comes first. One insert is in flight at a
time and the next block fills meanwhile, so blocks grow with the load. A batch is acknowledged when all its rows are stored.

A row that cannot be stored (malformed JSON, wrong type, missing field, out of range) fails alone: the batch error names it, the reason is
its text, and a ` + "`fallback`" + ` output can send it elsewhere. What the server refuses for its own reasons is tried again until it works.`).
		Fields(serverFields()...).
		Fields(tableFields()...).
		Fields(blockFields()...).
		LintRule(onceRule)
}

// onceRule finds before the start what parse would find.
const onceRule = `root = if this.exactly_once.or(false) {
  match {
    this.insert_timeout.or("2.8s").parse_duration().catch(0) > "15s".parse_duration() => ["insert_timeout: want at most 15s with exactly_once, a third of Kafka's default session timeout"],
    this.addresses.or(["one"]).join(",").split(",").filter(a -> a.trim() != "").length() > 1 => ["exactly_once: want one address: a table and its fence are on one server"],
  }
}`

func serverFields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewStringListField("addresses").Default([]any{"127.0.0.1:9000"}).
			Description("Servers as host:port. The first that answers is used, the others stand by. An entry may hold several, divided by commas."),
		service.NewStringEnumField("protocol", "native", "http").Default("native").
			Description("`native` is the server's own protocol, usually on port 9000 (9440 with TLS); `http` is for what lies behind a web proxy, usually on 8123 (8443)."),
		service.NewStringField("username").Default("default").Description("The user. It needs INSERT and SELECT on the table."),
		service.NewStringField("password").Secret().Default("").Description("Its password."),
		service.NewTLSToggledField("tls"),
		service.NewStringEnumField("compression", "lz4", "zstd", "none").Default("lz4").
			Description("Compression on the wire. `none` saves CPU when the server is on the same machine."),
	}
}

func tableFields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewStringField("database").Default("").Description("The table's database. Empty is the user's own."),
		service.NewStringField("table").Description("The table. Its name is quoted, so any name will do."),
		service.NewStringMapField("columns").Default(map[string]any{}).
			Description("Which column takes which JSON field: `field: column`. Fields are top-level and compared with case. Without it every column that has no default takes the field of its own name. " +
				"These names stand for the Kafka record: `@key`, `@value`, `@topic`, `@time`, `@stream`, `@partition`, `@offset`; and these for why another output of a `fallback` refused it: `@reason`, `@field`, `@message`.").
			Example(map[string]any{"user": "user_id", "@offset": "_offset"}),
		service.NewBoolField("coordinates").Default(false).
			Description("Whether the columns `received_at`, `_stream`, `_partition` and `_offset` take the Kafka record's time, stream, partition and offset."),
		service.NewBoolField("exactly_once").Default(false).
			Description("Whether every Kafka record becomes exactly one row, whatever is killed, paused or cut off. It implies `coordinates` and wants the column `_owner` UInt64, a table `<table>_fence` and the constraint `current_owner`, as `clickstream init` makes them for `events`; the field `event_id`, if its column is a UUID, tells events apart that a broker gave the same offset. " +
				"Nothing is read while all goes well; after an insert of unknown outcome, and when a partition is assigned, the rows in question are looked for first. One server, one such output for a table in a process, and a user who may read and insert into both tables. Without it a row may be stored twice (at least once)."),
		service.NewObjectMapField("limits",
			service.NewAnyField("min").Optional().Description("The smallest value."),
			service.NewAnyField("max").Optional().Description("The largest value."),
			service.NewIntField("max_bytes").Optional().Description("The longest text, in bytes of UTF-8."),
		).Default(map[string]any{}).
			Description("Rows whose field lies outside are rejected. Both ends are inclusive and written as the field's column takes them: numbers, dates, or times with a zone. Numbers are compared before rounding. Texts have `max_bytes`.").
			Example(map[string]any{"price": map[string]any{"min": 0, "max": 1000000}, "user_id": map[string]any{"max_bytes": 256}}),
		service.NewStringField("metrics_table").Default("").Advanced().
			Description("A table of the same database that takes a row a second of what this process does, and one for each of its Kafka partitions: lag, rows, inserts and their time, retries, rebalances. `clickstream init` makes `pipeline_metrics`; the dashboard of the pipeline's health reads it. One output of a process should do so. Empty is none."),
	}
}

func blockFields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewIntField("max_rows").Default(250000).
			Description("The most rows of one insert, exactly; 1 to 1000000. The server stores an insert of up to a million rows of one partition at once or not at all."),
		service.NewIntField("max_bytes").Default(15 << 20).
			Description("The most bytes of one insert, before compression; the last row may exceed it. Two blocks of this size can be in memory, and a copy of one while it is sent. The default is 139,000 of this project's events, half of what the Kafka input lets be in flight: one block is sent while the next one fills."),
		service.NewDurationField("flush_interval").Default("500ms").LintRule(duration).
			Description("How long a block's first row waits for others. Two inserts a second are little for a MergeTree table; the usual 5s would make rows visible late."),
		service.NewDurationField("insert_timeout").Optional().LintRule(duration).
			Description("How long one insert may take. One that takes longer is given up and repeated in smaller parts. The default is 10s, and 2.8s with `exactly_once`, where it should be less than a third of the input's session_timeout: then an insert is over before its partition can be somebody else's."),
		service.NewIntField("max_in_flight").Optional().
			Description("How many batches may wait at a time. It bounds what a block can hold: `max_in_flight` times a batch. When all of them wait, the block is sent at once; 1 keeps strict order and makes every batch an insert. The default is 512 for each second of `flush_interval`, at least 256 and at most 8192: the Kafka input makes up to 20 batches a second of each partition."),
	}
}

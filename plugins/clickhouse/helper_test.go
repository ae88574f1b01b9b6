package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/event"
	"clickstream/internal/process"
	"clickstream/internal/schema"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// fixture is a database on the shared engine.
type fixture struct {
	enginetest.Server
	database string
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	s := enginetest.Start(t)
	return fixture{s, s.Database(t)}
}

// schema makes the project's tables, as clickstream init does.
func (f fixture) schema(t testing.TB) {
	t.Helper()
	if _, err := schema.Apply(t.Context(), f.Conn(t, ""), schema.Options{Database: f.database}); err != nil {
		t.Fatal(err)
	}
}

// query returns the answer as tab-separated lines.
func (f fixture) query(t testing.TB, sql string) string {
	t.Helper()
	return f.Query(t, f.database, sql)
}

// yaml is the output's configuration for a table of the fixture; more is added to it.
func (f fixture) yaml(table, more string) string {
	return fmt.Sprintf("addresses: [%q]\ndatabase: %s\nusername: %s\ntable: %q\nflush_interval: 20ms\n%s", f.Native, f.database, f.User, table, more)
}

// build makes the output from YAML, as Benthos would.
func build(t testing.TB, yaml string) *output {
	t.Helper()
	pc, err := spec().ParseYAML(yaml, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, _, _, err := open(pc, service.MockResources())
	if err != nil {
		t.Fatal(err)
	}
	return o.(*output)
}

// connected is a built output that has read its table. It closes with the test.
func connected(t testing.TB, yaml string) *output {
	t.Helper()
	o := build(t, yaml)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := o.Connect(ctx); err != nil {
		select {
		case fatal := <-process.Fatals():
			t.Fatal(fatal)
		default:
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = o.Close(context.Background()) })
	return o
}

// messages are JSON documents from partition 2 of a Kafka topic, offsets from 0 on.
func messages(docs ...string) (batch service.MessageBatch) {
	source := &event.Source{Topic: "clickstream", Stream: 1<<63 + 7, Partition: 2}
	for i, doc := range docs {
		record := &event.Record{Context: context.Background(), Coordinate: event.Coordinate{
			Source: source, Offset: int64(i), Time: time.UnixMilli(1768487400456).UTC(), Key: fmt.Appendf(nil, "key%d", i),
		}}
		batch = append(batch, service.NewMessage([]byte(doc)).WithContext(record))
	}
	return batch
}

// write sends the documents and returns what failed: "0 reason (field): message".
func write(t testing.TB, o *output, docs ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	batch := messages(docs...)
	return strings.TrimSuffix(failures(batch, func() error { return o.WriteBatch(ctx, batch) }), "\n")
}

// eventually polls until done, for what has no channel to wait on.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

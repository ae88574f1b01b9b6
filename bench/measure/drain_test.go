package main

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/broker"
	"clickstream/internal/engine/enginetest"
	"clickstream/internal/schema"
)

// Twice, since the second backlog begins where the group left off and where rows are
// already stored.
func TestDrainTwice(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "clickstream")
	build := exec.Command("go", "build", "-o", binary, "clickstream/cmd/clickstream")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build clickstream: %v\n%s", err, out)
	}
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s := enginetest.Start(t)
	db := s.Database(t)
	if _, err := schema.EnsureTopics(t.Context(), client, schema.Topic{Name: "clickstream", Partitions: 3, Replication: 1}, schema.Topic{Name: "clickstream-dead-letters", Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Apply(t.Context(), s.Conn(t, db), schema.Options{Database: db}); err != nil {
		t.Fatal(err)
	}

	args := []string{"--clickhouse", s.Native, "--database", db, "--kafka", b.Addr(), "--binary", binary, "--pipelines", "../../pipelines"}
	for range 2 {
		var out bytes.Buffer
		if err := drain(t.Context(), append(args, "--fill", "5000"), &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		for _, want := range []string{"produced 5000 events in ", "drained 5000 events in ", "new parts of events: "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("output\n got %s\nwant ...%s...", out.String(), want)
			}
		}
	}
	if got := s.Query(t, db, "SELECT count(), uniqExact(event_id) FROM events"); got != "10000\t10000" {
		t.Errorf("rows and ids: got %s, want 10000 of each", got)
	}
	err = drain(t.Context(), args, &bytes.Buffer{})
	if want := "topic clickstream holds nothing that group clickstream-consumer has not read: give --fill"; err == nil || err.Error() != want {
		t.Errorf("drain of nothing\n got %v\nwant %s", err, want)
	}
	bad := append(args, "--fill", "10", "--binary", "sh") // ends at once
	if err := drain(t.Context(), bad, &bytes.Buffer{}); err == nil {
		t.Error("drain with a program that is no clickstream: got no error")
	}
}

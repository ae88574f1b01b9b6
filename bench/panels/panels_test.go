package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/schema"
)

// TestPanels fills a small table and asks every panel of it: the bench measures answers
// that have something in them.
func TestPanels(t *testing.T) {
	server := enginetest.Start(t)
	database := server.Database(t)
	conn := server.Conn(t, database)
	if _, err := schema.Apply(t.Context(), conn, schema.Options{Database: database}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := fill(t.Context(), conn, 20_000, &out); err != nil {
		t.Fatal(err)
	}
	// The first 1,000 are sent for the first time.
	if got, want := server.Query(t, database, "SELECT count(), count() - uniqExact(event_id), count() - uniqExact(_partition, _offset), (SELECT count() FROM events_repeated FINAL) FROM events"), "20000\t95\t0\t95"; got != want {
		t.Errorf("rows, sent again, twice, listed\n got %s\nwant %s", got, want)
	}
	if got, want := server.Query(t, database, "SELECT sum(events) FROM events_by_second"), "19905"; got != want {
		t.Errorf("events, each once: got %s, want %s", got, want)
	}
	out.Reset()
	if err := run(t.Context(), []string{"--address", server.Native, "--database", database, "--rounds", "1"}, &out); err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\| [A-Z].* \| [0-9.]+ \([0-9.]+\).* \| [0-9.]+ \([0-9.]+\).* \|$`).FindAllString(out.String(), -1)
	panels, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != len(panels) || len(panels) < 25 || !strings.Contains(out.String(), "20000 rows of events, 1 rounds") {
		t.Errorf("got %s\nwant a line for each of %d panels", out.String(), len(panels))
	}
}

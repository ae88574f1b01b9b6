//go:build clients

package main

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TestOutsideClients: programs that know nothing of clickstream work unchanged.
// It is behind a build tag since it needs kcat and curl: make test-clients.
func TestOutsideClients(t *testing.T) {
	s := newStack(t)
	s.produce(eventJSON(1), eventJSON(2), eventJSON(3))
	consume := s.pipeline("consume", nil)
	s.drained()
	consume.stop()

	t.Run("kcat reads the topic", func(t *testing.T) {
		out := command(t, "", "kcat", "-b", s.brokerAddr, "-C", "-t", "clickstream", "-e", "-q")
		if got := strings.Count(out, "event_id"); got != 3 {
			t.Errorf("kcat read %d events, want 3:\n%s", got, out)
		}
	})
	t.Run("kcat reads it in a group", func(t *testing.T) {
		out := command(t, "", "kcat", "-b", s.brokerAddr, "-G", "kcat-group", "-c", "3", "-q", "-X", "auto.offset.reset=earliest", "clickstream")
		if got := strings.Count(out, "event_id"); got != 3 {
			t.Errorf("kcat read %d events, want 3:\n%s", got, out)
		}
	})
	t.Run("kcat writes to it", func(t *testing.T) {
		command(t, eventJSON(4)+"\n", "kcat", "-b", s.brokerAddr, "-P", "-t", "clickstream", "-X", "enable.idempotence=true")
		if got := len(s.read("clickstream")); got != 4 {
			t.Errorf("the topic holds %d records, want 4", got)
		}
	})
	t.Run("curl queries the engine", func(t *testing.T) {
		for _, args := range [][]string{
			{"--data-binary", "SELECT count() FROM clickstream.events", "http://" + s.http + "/"},
			{"-G", "--data-urlencode", "query=SELECT count() FROM clickstream.events", "http://" + s.http + "/"},
			{"--compressed", "--data-binary", "SELECT count() FROM clickstream.events", "http://" + s.http + "/?enable_http_compression=1"},
		} {
			out := command(t, "", "curl", append([]string{"-fsS"}, args...)...)
			if got := strings.TrimSpace(out); got != "3" {
				t.Errorf("curl %v: got %q, want 3", args, got)
			}
		}
	})
	for protocol, address := range map[clickhouse.Protocol]string{clickhouse.Native: s.native, clickhouse.HTTP: s.http} {
		t.Run("clickhouse-go over "+protocol.String(), func(t *testing.T) {
			conn, err := clickhouse.Open(&clickhouse.Options{Protocol: protocol, Addr: []string{address}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var n uint64
			if err := conn.QueryRow(t.Context(), "SELECT count() FROM clickstream.events").Scan(&n); err != nil || n != 3 {
				t.Errorf("got %s rows and error %v, want 3", strconv.FormatUint(n, 10), err)
			}
		})
	}
}

// command runs a program with that input and returns what it printed.
func command(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, errs.String())
	}
	return out.String()
}

package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"clickstream/internal/event"
)

// TestReplayStopped: Ctrl-C in the middle of a file, and the next start goes on from
// there: without a look at the topic, since nothing was on its way.
func TestReplayStopped(t *testing.T) {
	s := &stack{t: t, dir: t.TempDir(), brokerAddr: freeAddress(t)}
	s.startBroker()
	if _, err := kadm.NewClient(s.kafka()).CreateTopic(t.Context(), 3, 1, nil, "clickstream"); err != nil {
		t.Fatal(err)
	}
	env := []string{"REPLAY_FILES=" + sampleFile, "REPLAY_MARKER=" + filepath.Join(s.dir, "m")}
	p := s.pipeline("replay", append(env, "REPLAY_SPEED=300x")) // some 10 s
	s.awaitProduced(20)
	p.signal(syscall.SIGINT)
	if code := p.exit(); code != exitOK {
		t.Fatalf("exit code %d, want 0:\n%s", code, p.out)
	}
	rows := int64(len(readSample(t)))
	if n := total(s.ends("clickstream")); n >= rows {
		t.Fatalf("all %d records are there before the second start: this test would prove nothing", n)
	}
	p = s.pipeline("replay", env)
	if code := p.exit(); code != exitOK {
		t.Fatalf("exit code %d, want 0:\n%s", code, p.out)
	}
	for _, want := range []string{"going on where the marker is", "known=0"} {
		if log := p.out.String(); !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, lastLines(log, 20))
		}
	}
	ids := map[string]bool{}
	for _, r := range s.read("clickstream") {
		id, _ := event.Lookup(r.Value, "event_id")
		ids[string(id)] = true
	}
	if n := total(s.ends("clickstream")); n != rows || int64(len(ids)) != rows {
		t.Errorf("the topic has %d records of %d ids, want %d of both", n, len(ids), rows)
	}
}

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/deadletters"
)

// What cannot be sent is skipped and stays open; the rest of its transaction is sent.
func TestDLQReplaySkips(t *testing.T) {
	s := newStack(t)
	limit := "2000"
	client := s.kafka()
	if _, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &limit}}, "clickstream"); err != nil {
		t.Fatal(err)
	}
	letter := func(offset int, value string, more ...kgo.RecordHeader) *kgo.Record {
		r := &kgo.Record{Topic: "clickstream-dead-letters", Value: []byte(value)}
		for _, h := range [][2]string{{"reason", "other"}, {"topic", "clickstream"}, {"partition", "0"}, {"offset", fmt.Sprint(offset)}, {"timestamp", "2026-01-15T14:30:00Z"}} {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
		r.Headers = append(r.Headers, more...)
		return r
	}
	noise := make([]byte, 3000) // that no compression makes small
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	if err := client.ProduceSync(t.Context(), letter(1, eventJSON(1)), letter(2, string(noise)), letter(3, eventJSON(3)),
		letter(4, "{", kgo.RecordHeader{Key: "truncated", Value: []byte("70")}), letter(5, "{", kgo.RecordHeader{Key: "topic", Value: []byte("clicks")}),
		letter(6, "{", kgo.RecordHeader{Key: "offset"}), letter(3, eventJSON(3)),
	).FirstErr(); err != nil {
		t.Fatal(err)
	}
	const skipped = "1 no letter of ours, 1 record of another topic, 1 truncated: the end of the record is missing"
	s.prints("replay --dry-run", "would replay 3 letters to topic clickstream (3 other); skipped: "+skipped)
	s.prints("replay", "replayed 2 letters to topic clickstream in ", "1 no letter of ours, 1 record of another topic, 1 too large for the topic, 1 truncated")
	s.prints("list", "\n0:1 ", "truncated, the record had 70 bytes\n", "\n0:5 ", "header offset: want a number from 0 on, got \"\"\n")
	if got := len(s.readCommitted("clickstream")); got != 2 {
		t.Errorf("%d records, want 2", got)
	}
}

func TestDLQRefusesMarksThatAreDeleted(t *testing.T) {
	s := &stack{t: t, dir: t.TempDir(), brokerAddr: freeAddress(t)}
	s.startBroker()
	policy := "delete"
	if _, err := kadm.NewClient(s.kafka()).CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": &policy}, "clickstream-dead-letters-handled"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.dlq(exitFailure, "replay"), `topic "clickstream-dead-letters-handled": cleanup.policy: want compact, got "delete"; `; !strings.Contains(got, want) {
		t.Errorf("got %s, want ...%s...", got, want)
	}
}

// manyLetters is lettersOf n events that are refused until the limit is mended.
func manyLetters(t *testing.T, n int) *stack {
	t.Helper()
	values := make([]string, n)
	for i := range values {
		values[i] = negative(i)
	}
	return lettersOf(t, values...)
}

// replayedOnce fails unless the topic holds each of n letters once more, as the record
// that a replay wrote.
func (s *stack) replayedOnce(n int) {
	s.t.Helper()
	replayed := map[string]int{}
	for _, r := range s.readCommitted("clickstream") {
		if origin := headers(r)[deadletters.OriginHeader]; origin != "" {
			replayed[origin]++
		}
	}
	for origin, times := range replayed {
		if times != 1 {
			s.t.Errorf("%s was replayed %d times", origin, times)
		}
	}
	if len(replayed) != n {
		s.t.Errorf("%d letters were replayed, want %d", len(replayed), n)
	}
}

// storedOnce fails unless the table holds n events, each once.
func (s *stack) storedOnce(n int) {
	s.t.Helper()
	stored := s.stored()
	if len(stored) != n {
		s.t.Errorf("%d events are stored, want %d", len(stored), n)
	}
	for id, times := range stored {
		if times != 1 {
			s.t.Errorf("event %s is stored %d times", id, times)
		}
	}
}

// What was refused is replayed after a fix: each letter becomes one row, the second
// replay sends nothing, and every record of the topic stays one row or one letter.
func TestDLQReplayTwice(t *testing.T) {
	s := lettersOf(t, eventJSON(1), negative(2), "no event", negative(3), negative(4))
	s.prints("replay --dry-run", "would replay 4 letters to topic clickstream (1 malformed_json, 3 out_of_range)\n")
	s.prints("replay --reason out_of_range --limit 2", "created topic clickstream-dead-letters-handled", "replayed 2 letters to topic clickstream in ", " (2 out_of_range)\n")
	s.prints("replay", "replayed 2 letters to topic clickstream in ", " (1 malformed_json, 1 out_of_range)\n")
	s.prints("replay", "replayed 0 letters to topic clickstream in ")
	replayed := 0
	for _, r := range s.readCommitted("clickstream") {
		origin := headers(r)[deadletters.OriginHeader]
		if origin == "" {
			continue
		}
		replayed++
		o, err := deadletters.ParseOrigin(origin)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(r.Key), fmt.Sprint("key ", o.Offset); got != want || o.Topic != "clickstream" || o.Partition != 0 {
			t.Errorf("replayed record of %s has key %q, want %q", origin, got, want)
		}
	}
	if replayed != 4 {
		t.Errorf("%d replayed records, want 4", replayed)
	}
	s.settle("--set", mended)
	s.storedOnce(4)
	s.exactly(9, 4, 5)

	// What failed again is the second attempt of its letter, and no second letter.
	list := s.prints("list", "open   malformed_json  -      clickstream/0/2  8      attempt 2\n")
	if strings.Count(list, "\n") != 2 {
		t.Errorf("want one open letter:\n%s", list)
	}
	s.prints("stats", "\n4 letters, 1 open, 1 replayed and refused again; topic clickstream-dead-letters holds 5 records\n",
		"by origin: 5 in both, 0 in the topic only, 0 in the table only\n")
	s.prints("replay", "replayed 1 letter to")
	s.settle()
	s.prints("list", "clickstream/0/2  8      attempt 3\n")
	s.prints("drop", "would drop 1 letter (1 malformed_json); --yes does it\n")
	s.prints("drop --yes --purge", "dropped 1 letter (1 malformed_json)\n", "deleted 6 offsets from topic clickstream-dead-letters\n")
	s.prints("replay", "replayed 0 letters")
	if got := len(s.readCommitted("clickstream-dead-letters")); got != 0 {
		t.Errorf("%d letters in the topic after --purge, want 0", got)
	}
	s.exactly(10, 4, 6)
}

// A replay is killed at any moment, again and again: in the end every letter was sent
// once.
func TestDLQReplayKilled(t *testing.T) {
	const letters, kills = 1000, 6
	s := manyLetters(t, letters)
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	consume := s.pipeline("consume", nil, "--set", mended)
	before, cut := 0, 0
	for range kills {
		p := start(t, s.env(), "dlq", "replay", "--batch", "1")
		await(t, "a letter to be replayed", func() error {
			select {
			case <-p.done: // through
			default:
				if !strings.Contains(p.out.String(), "replayed ") {
					return errors.New("none yet")
				}
			}
			return nil
		})
		<-time.After(time.Duration(random.IntN(100)) * time.Millisecond)
		p.kill()
		n := s.marks()
		if n > before && n < letters {
			cut++
		}
		before = n
	}
	if cut < 2 {
		t.Errorf("seed %d: %d of %d kills came in mid replay: this test proves little", seed, cut, kills)
	}
	s.dlq(exitOK, "replay")
	s.prints("replay", "replayed 0 letters")
	s.awaitAll()
	consume.stop()
	s.storedOnce(letters)
	s.exactly(2*letters, letters, letters)
}

// A replay that stood still while another one ran is refused what it still sends.
func TestDLQReplayTakenOver(t *testing.T) {
	const letters = 400
	s := manyLetters(t, letters)
	p := start(t, s.env(), "dlq", "replay", "--batch", "1")
	p.awaitLine(`replayed 1 of 400 letters`)
	p.signal(syscall.SIGSTOP)
	s.prints("replay", "replayed ")
	p.signal(syscall.SIGCONT)
	if code := p.exit(); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	p.awaitLine("another `dlq replay` or `dlq drop` has taken over")
	s.replayedOnce(letters)
	if got := len(s.readCommitted("clickstream")); got != 2*letters {
		t.Errorf("%d records, want %d", got, 2*letters)
	}
}

// marks is how many letters are marked.
func (s *stack) marks() int {
	s.t.Helper()
	ends, err := s.listEnds("clickstream-dead-letters-handled")
	if err != nil || ends[0] == 0 {
		return 0
	}
	n := 0
	for _, r := range s.readCommitted("clickstream-dead-letters-handled") {
		if strings.HasPrefix(string(r.Key), "clickstream/") {
			n++
		}
	}
	return n
}

func TestDLQReplayStopped(t *testing.T) {
	s := manyLetters(t, 200)
	p := start(t, s.env(), "dlq", "replay", "--batch", "1")
	p.awaitLine(`replayed \d+ of 200 letters`)
	p.signal(syscall.SIGINT)
	if code := p.exit(); code != exitUnacked {
		t.Fatalf("exit code %d, want %d:\n%s", code, exitUnacked, p.out)
	}
	p.awaitLine(`replayed \d+ letters? to topic clickstream in \S+, \d+ left`)
	p.awaitLine(`dlq replay: stopped; run it again for the rest`)
	s.dlq(exitOK, "replay")
	s.replayedOnce(200)
}

// The broker dies in mid replay: the replay goes on, fails, or dies as well, and the next
// one is exact.
func TestDLQReplayBrokerKilled(t *testing.T) {
	const letters, kills = 600, 3
	s := manyLetters(t, letters)
	const seed = 11
	random := rand.New(rand.NewPCG(seed, seed))
	for kill := range kills {
		p := start(t, s.env(), "dlq", "replay", "--batch", "1", "--limit", "200")
		p.awaitLine(`replayed \d+ of \d+ letters?`)
		<-time.After(time.Duration(random.IntN(60)) * time.Millisecond)
		s.broker.kill()
		s.startBroker()
		if kill%2 == 0 {
			p.kill()
		} else if code := p.exit(); code != exitOK && code != exitFailure {
			t.Errorf("exit code %d, want 0 or 1:\n%s", code, p.out)
		}
		if kill == 0 && strings.Count(s.prints("list"), "\n") == 1 {
			t.Errorf("seed %d: the replay was through before the broker died: this test proves nothing", seed)
		}
	}
	s.dlq(exitOK, "replay")
	s.prints("replay", "replayed 0 letters")
	s.settle("--set", mended)
	s.storedOnce(letters)
	s.exactly(2*letters, letters, letters)
}

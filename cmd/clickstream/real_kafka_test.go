//go:build kafka

package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/dustin/go-humanize"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/process"
)

// realStack is a stack on Apache Kafka instead of our own broker.
type realStack struct {
	*stack
	controller string // port
}

func newRealStack(t *testing.T) *realStack {
	t.Helper()
	runtime.LockOSThread() // for as long as the test: Kafka ends with this thread
	_, controller, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &realStack{&stack{t: t, dir: t.TempDir(), brokerAddr: freeAddress(t), native: freeAddress(t), http: freeAddress(t)}, controller}
	s.startKafka()
	s.startEngine()
	s.init()
	return s
}

// startKafka starts Kafka, again on the ports and the data it had before.
func (s *realStack) startKafka() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.brokerAddr)
	if err != nil {
		s.t.Fatal(err)
	}
	// Three times Java: 4 s on two idle cores, above a minute on two that are busy.
	p := s.launchKafka(port)
	awaitWithin(s.t, 3*patience, "Kafka", func() error {
		if strings.Contains(p.out.String(), "Kafka Server started") {
			return nil
		}
		select {
		case <-p.done: // somebody else has the port for a moment
			p = s.launchKafka(port)
		default:
		}
		return errors.New("not started yet")
	})
	s.broker = p
}

func (s *realStack) launchKafka(port string) *proc {
	s.t.Helper()
	cmd := exec.Command("../../bench/kafka/kafka", "start", filepath.Join(s.dir, "kafka"), port, s.controller)
	cmd.SysProcAttr = process.ChildAttributes(syscall.SIGKILL) // Java does not know of the pipe
	p, err := launchCommand(s.t, nil, cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	return p.ended()
}

// TestRealKafka runs all that a user runs, through both group protocols, on the Kafka
// that others run. It is behind a build tag since it needs Java: make test-kafka.
func TestRealKafka(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			s := newRealStack(t)
			consumer := []string{"--set", "input.kafka.group_protocol=" + protocol}
			s.dirtWithKills(consumer)
			s.replayedLetters(consumer)
			s.replayedFile(consumer)
		})
	}
}

// dirtWithKills sends dirt while the consumer is killed twice and Kafka once: what the
// producer's ledger holds is stored or a dead letter, each record once.
func (s *realStack) dirtWithKills(consumer []string) {
	const records = 40_000
	t := s.t.(*testing.T)
	path := filepath.Join(s.dir, "ledger.tsv")
	produce := s.pipeline("produce", []string{"RATE=2000"},
		"--set", "input.clickstream_simulator.dirt.every=0.05",
		"--set", fmt.Sprintf("input.clickstream_simulator.count=%d", records),
		"--set", "input.clickstream_simulator.ledger="+path)
	consume := s.pipeline("consume", nil, consumer...)
	s.grown()
	s.broker.kill()
	select {
	case <-produce.done:
		t.Fatal("the producer was through before Kafka died: this test would prove nothing")
	default:
	}
	s.startKafka()
	for range 2 {
		s.grown()
		consume.kill()
		consume = s.pipeline("consume", nil, consumer...)
	}
	s.settled(produce.proc, records)
	if code := produce.exit(); code != exitOK {
		t.Fatalf("the producer ended with exit code %d", code)
	}
	consume.stop()
	s.allCommitted()

	check := dirtCheck{t: t, ledger: readLedger(t, path), raw: map[whereabouts][]byte{}, killed: true}
	check.sent(s.stack, records)
	check.rows(s.stack)
	check.letters(s.stack)
	check.done()
	letters := int64(s.number("SELECT count() FROM clickstream.dead_letters FINAL"))
	if letters == 0 {
		t.Fatal("no dead letters: this test would prove nothing")
	}
	s.exactly(records, records-letters, letters)
	s.prints("stats", fmt.Sprintf("by origin: %s in both, 0 in the topic only, 0 in the table only", humanize.Comma(letters)))
	s.prints("drop --yes", fmt.Sprintf("dropped %s letters", humanize.Comma(letters)))
}

// replayedLetters has letters replayed after a fix, by a replay that is killed and one
// more: each is one row. Kafka dies under another one.
func (s *realStack) replayedLetters(consumer []string) {
	const letters = 300
	before := s.number("SELECT count() FROM clickstream.events")
	values := make([]*kgo.Record, letters)
	for i := range values {
		values[i] = &kgo.Record{Topic: "clickstream", Value: []byte(negative(i))}
	}
	if err := s.kafka().ProduceSync(s.t.Context(), values...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	s.settle(consumer...)
	consume := s.pipeline("consume", nil, append(consumer, "--set", mended)...)
	cut := 0
	for _, kafkaDies := range []bool{false, true} {
		p := start(s.t, s.env(), "dlq", "replay", "--batch", "1")
		p.awaitLine(`replayed \d+ of \d+ letters?`)
		if kafkaDies {
			s.broker.kill()
			s.startKafka()
			if code := p.exit(); code != exitOK && code != exitFailure {
				s.t.Errorf("replay: exit code %d, want 0 or 1:\n%s", code, p.out)
			}
		}
		p.kill()
		if n := strings.Count(s.dlq(exitOK, "list"), "\n") - 1; n > 0 {
			cut++
		}
	}
	if cut == 0 {
		s.t.Error("no replay was cut off: this test proves little")
	}
	s.dlq(exitOK, "replay")
	s.prints("replay", "replayed 0 letters")
	s.awaitNumber("SELECT count() FROM clickstream.events", before+letters)
	consume.stop()
	s.replayedOnce(letters)
	if code, report := s.verify(); code != exitOK || !report.Exact {
		s.t.Errorf("verify: exit code %d: %+v\n%+v", code, report.Total, report.Findings)
	}
}

// replayedFile sends the sample twice: once with its marker, once without, which reads
// the topic back.
func (s *realStack) replayedFile(consumer []string) {
	rows := uint64(len(readSample(s.t.(*testing.T))))
	before := s.number("SELECT count() FROM clickstream.events")
	consume := s.pipeline("consume", nil, consumer...)
	s.replay(sampleFile, "m")
	s.awaitNumber("SELECT count() FROM clickstream.events", before+rows)
	ends := total(s.ends("clickstream"))
	s.replay(sampleFile, "m")
	s.replay(sampleFile, "another")
	if after := total(s.ends("clickstream")); after != ends {
		s.t.Errorf("a second replay added %d records", after-ends)
	}
	consume.stop()
	if code, report := s.verify(); code != exitOK || !report.Exact {
		s.t.Errorf("verify: exit code %d: %+v\n%+v", code, report.Total, report.Findings)
	}
}

package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"clickstream/internal/event"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// These races last for microseconds: each guard is met here at the moment that it is for.

// reading is an input that has read ten records of partition 0 and answered none. It
// commits only when it is told to.
func reading(t *testing.T) (in *input, s *session, p *partition, g got) {
	t.Helper()
	addr := addresses(startBroker(t))
	fill(t, addr, 10, 0)
	in = startInput(t, addr, "commit_interval: 1h")
	g = read(t, in)
	s = in.current()
	return in, s, s.open(0), g
}

// commitOf is a commit of offset 10 of partition 0, as franz-go is about to send it.
func commitOf(generation int32) *kmsg.OffsetCommitRequest {
	part := kmsg.NewOffsetCommitRequestTopicPartition()
	part.Offset = 10
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.Partitions = testTopic, append(topic.Partitions, part)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.Topics = testGroup, generation, append(req.Topics, topic)
	return req
}

// TestNoCommitWithoutMembership: a client between two memberships would commit as
// nobody, which a group without members takes, whoever owns the partition by then.
func TestNoCommitWithoutMembership(t *testing.T) {
	_, s, p, _ := reading(t)
	moved := map[int32]*partition{0: p}
	if err := s.stamp(commitOf(-1), moved); !errors.Is(err, errNoMember) {
		t.Errorf("commit without a generation\n got %v\nwant %v", err, errNoMember)
	}
	if err := s.stamp(commitOf(1), moved); err != nil {
		t.Errorf("commit of a member: %v", err)
	}
}

// TestNoCommitOfAClosedPartition: a partition that is given up while its commit is on
// its way out is not committed: franz-go would stamp it with the next generation.
func TestNoCommitOfAClosedPartition(t *testing.T) {
	_, s, p, g := reading(t)
	g.answer(t, nil)
	moved, _ := s.moved()
	if moved[0] != p {
		t.Fatalf("to commit\n got %v\nwant partition 0", moved)
	}
	p.offsets.Close()
	if err := s.stamp(commitOf(1), moved); !errors.Is(err, errAssignmentOver) {
		t.Errorf("commit of what was looked at before the close\n got %v\nwant %v", err, errAssignmentOver)
	}
	if moved, _ := s.moved(); len(moved) > 0 {
		t.Errorf("to commit after the close\n got %v\nwant nothing", moved)
	}
	if err := s.confirm(context.Background(), p); !errors.Is(err, event.ErrRevoked) {
		t.Errorf("the group's consent after the close\n got %v\nwant %v", err, event.ErrRevoked)
	}
}

// TestRecordsOfAnotherTopicAreNotTaken: what a poll brings of a topic that was created
// anew under the same name is not delivered as the old one's, and ends the session.
func TestRecordsOfAnotherTopicAreNotTaken(t *testing.T) {
	_, s, _, g := reading(t)
	g.answer(t, nil)
	s.gate.Interrupt(func() { // no poll of its own meanwhile
		s.take(kgo.Fetches{{Topics: []kgo.FetchTopic{{
			Topic: testTopic, TopicID: [16]byte{1}, Partitions: []kgo.FetchPartition{{
				Partition: 0, HighWatermark: 11, Records: []*kgo.Record{{Topic: testTopic, Offset: 10, Value: []byte("another's")}},
			}},
		}}}})
	})
	select {
	case <-s.broken:
	default:
		t.Error("the session goes on")
	}
	if b := s.queue.Pop(); b != nil {
		t.Errorf("delivered %d records of another topic", b.span.records)
	}
}

// TestLagAgeGrowsByTheClock: the age of a record that is not stored grows while nothing
// is polled, such as while the output is stuck.
func TestLagAgeGrowsByTheClock(t *testing.T) {
	_, s, p, _ := reading(t)
	born, ok := p.offsets.Oldest()
	if !ok {
		t.Fatal("no record is open")
	}
	later := time.Now().Add(staleAfter - time.Second) // not so late that the broker is asked
	s.measure(later)
	if got, want := time.Duration(p.age.Load()), later.Sub(time.UnixMilli(born)); got != want {
		t.Errorf("age of the oldest record\n got %s\nwant %s", got, want)
	}
}

package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"

	"clickstream/internal/event"
	"clickstream/internal/process"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// source is the assignment that a batch came from.
func source(g got) *event.Source { return event.CoordinateOf(g.messages[0]).Source }

// A member that has its partition is told so, by a commit of where it stands: before
// anything was acknowledged, and again when nothing has moved.
func TestConfirmCommitsWhereItStands(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "max_batch_records: 5\ncommit_interval: 1h")
	first := read(t, in)
	for range 2 {
		if err := source(first).Confirm(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if got := committed(t, addr)[0]; got != 0 {
			t.Errorf("committed\n got %d\nwant 0", got)
		}
	}
	first.answer(t, nil)
	for range 2 {
		if err := source(first).Confirm(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if got := committed(t, addr)[0]; got != 5 {
			t.Errorf("committed\n got %d\nwant 5", got)
		}
	}
}

// A refused commit proves nothing by itself.
func TestConfirmDoesNotKnow(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.CoordinatorNotAvailable} {
		t.Run(code.Message, func(t *testing.T) {
			broker := startBroker(t)
			addr := addresses(broker)
			fill(t, addr, 10, 0)
			in := startInput(t, addr, "commit_interval: 1h")
			g := read(t, in)
			broker.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
				return refusedCommit(req, code), nil, true
			})
			if err := source(g).Confirm(deadline(t)); code != kerr.CoordinatorNotAvailable && (err == nil || errors.Is(err, event.ErrRevoked)) {
				t.Errorf("after a refusal\n got %v\nwant an error that is not %v", err, event.ErrRevoked)
			}
			if err := source(g).Confirm(deadline(t)); err != nil {
				t.Errorf("after that\n got %v\nwant <nil>", err)
			}
		})
	}
}

// A partition that was given away is over, whether the member drained it, was late,
// lost its membership, or closed; and a partition that comes back is another source.
func TestConfirmOfAnAssignmentThatIsOver(t *testing.T) {
	t.Run("given away", func(t *testing.T) {
		addr := addresses(startBroker(t, quickGroups()))
		fill(t, addr, 10, 0, 1, 2)
		one := startInput(t, addr, "drain_timeout: 50ms")
		held := []got{read(t, one), read(t, one), read(t, one)}
		two := startInput(t, addr, "")
		eventually(t, "the second member's share", func() bool { return assignedTo(two) > 0 })
		moved := partitionsOf(two)
		for _, g := range held {
			err := source(g).Confirm(deadline(t))
			if over := errors.Is(err, event.ErrRevoked); over != slices.Contains(moved, g.partition()) || !over && err != nil {
				t.Errorf("partition %d\n got %v\nwant over %v", g.partition(), err, !over)
			}
		}
	})
	t.Run("thrown out", func(t *testing.T) {
		broker := startBroker(t, quickGroups())
		addr := addresses(broker)
		fill(t, addr, 10, 0)
		in := startInput(t, addr, "")
		held := read(t, in)
		broker.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
			resp.ErrorCode = kerr.UnknownMemberID.Code
			return resp, nil, true
		})
		again := read(t, in)
		if source(again) == source(held) {
			t.Error("two assignments have one source")
		}
		if err := source(held).Confirm(deadline(t)); !errors.Is(err, event.ErrRevoked) {
			t.Errorf("the old one\n got %v\nwant %v", err, event.ErrRevoked)
		}
		if err := source(again).Confirm(deadline(t)); err != nil {
			t.Errorf("the new one\n got %v\nwant <nil>", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		addr := addresses(startBroker(t))
		fill(t, addr, 10, 0)
		in := startInput(t, addr, "")
		held := read(t, in)
		_ = in.Close(context.Background())
		if err := source(held).Confirm(deadline(t)); !errors.Is(err, event.ErrRevoked) {
			t.Errorf("got %v\nwant %v", err, event.ErrRevoked)
		}
	})
}

// refusedCommit is a broker's answer to a commit: that code for every partition.
func refusedCommit(req kmsg.Request, code *kerr.Error) kmsg.Response {
	commit := req.(*kmsg.OffsetCommitRequest)
	resp := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, topic := range commit.Topics {
		answer := kmsg.NewOffsetCommitResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
			part := kmsg.NewOffsetCommitResponseTopicPartition()
			part.Partition, part.ErrorCode = p.Partition, code.Code
			answer.Partitions = append(answer.Partitions, part)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp
}

// TestStopsAtAGap: by default a person decides, and until then nothing after the gap
// is delivered or committed, however often the process starts.
func TestStopsAtAGap(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "max_batch_records: 5")
	read(t, in).answer(t, nil)
	awaitCommitted(t, addr, 5, -1, -1)
	_ = in.Close(context.Background())
	fill(t, addr, 10, 0, 1)
	if err := broker.DeleteRecords(testTopic, 0, 12); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again := startInput(t, addr, "")
		select {
		case got := <-process.Fatals():
			want := "kafka " + addr + ": offsets 5 to 11 of partition 0 of topic " + testTopic +
				" were deleted before they were read: set `on_gap: continue` to go on after them, and give the topic a longer retention"
			if got.Error() != want {
				t.Errorf("fatal\n got %v\nwant %s", got, want)
			}
		case <-deadline(t).Done():
			t.Fatal("the process was not told to stop")
		}
		if g := read(t, again); g.partition() != 1 {
			t.Errorf("delivered %v after the gap", g.coordinates())
		}
		_ = again.Close(context.Background())
		if got := committed(t, addr)[0]; got != 5 {
			t.Errorf("committed\n got %d\nwant 5", got)
		}
	}
}

package kafka

import (
	"context"
	"errors"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
)

// The committed offset is not in the log any more: what is left is read, and the
// gap is not silent.
func TestRetentionAteTheOffset(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "max_batch_records: 5")
	read(t, in).answer(t, nil)
	awaitCommitted(t, addr, 5, -1, -1)
	_ = in.Close(context.Background())
	fill(t, addr, 10, 0)
	if err := broker.DeleteRecords(testTopic, 0, 12); err != nil {
		t.Fatal(err)
	}
	again := startInput(t, addr, "on_gap: continue")
	if got := read(t, again).coordinates(); got[0] != "0/12" || len(got) != 8 {
		t.Errorf("after the gap\n got %d records from %s\nwant 8 from 0/12", len(got), got[0])
	}
	if got := again.current().gaps.Load(); got != 7 {
		t.Errorf("records that were deleted unread\n got %d\nwant 7", got)
	}
}

// The topic is deleted and created anew under the reader: it goes on with the new
// one from its start, though the group's offset of the old one was higher.
func TestReadsTopicCreatedAnew(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "")
	old := read(t, in)
	old.answer(t, nil)
	awaitCommitted(t, addr, 10, -1, -1)
	admin := kadm.NewClient(newClient(t, addr))
	if _, err := admin.DeleteTopic(deadline(t), testTopic); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(deadline(t), 3, 1, nil, testTopic); err != nil {
		t.Fatal(err)
	}
	fill(t, addr, 20, 0)
	var fresh got
	for fresh.messages == nil {
		messages, ack, err := in.ReadBatch(deadline(t))
		switch {
		case errors.Is(err, service.ErrNotConnected): // as Benthos does
			if err := in.Connect(deadline(t)); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			fresh = got{messages, ack}
		}
	}
	if got := fresh.coordinates(); got[0] != "0/0" || len(got) != 20 {
		t.Errorf("from the new topic\n got %d records from %s\nwant 20 from 0/0", len(got), got[0])
	}
	if stream(fresh) == stream(old) {
		t.Error("the new topic has the old one's stream: its records would pass for those")
	}
}

func TestStartsAtTheEnd(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 10, 0)
	in := startInput(t, addr, "start: latest")
	eventually(t, "the assignment", func() bool { return assignedTo(in) == 3 && in.current().open(0).polled.Load() > 0 })
	fill(t, addr, 1, 0)
	if got := read(t, in).coordinates(); got[0] != "0/10" {
		t.Errorf("first record\n got %s\nwant 0/10", got[0])
	}
}

// Some brokers keep a group's offsets when a topic is deleted. Ours carry the
// topic's identity; an offset of another topic of the same name means nothing, and
// one that somebody else committed is taken as it is.
func TestOffsetOfAnotherTopicIsNotUsed(t *testing.T) {
	for name, tc := range map[string]struct{ tag, want string }{
		"of a deleted topic": {"stream=deadbeef", "0/0"},
		"set by hand":        {"reset by ann", "0/6"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := addresses(startBroker(t))
			fill(t, addr, 10, 0)
			var offsets kadm.Offsets
			offsets.Add(kadm.Offset{Topic: testTopic, Partition: 0, At: 6, LeaderEpoch: -1, Metadata: tc.tag})
			if err := kadm.NewClient(newClient(t, addr)).CommitAllOffsets(deadline(t), testGroup, offsets); err != nil {
				t.Fatal(err)
			}
			g := read(t, startInput(t, addr, ""))
			if got := g.coordinates()[0]; got != tc.want {
				t.Errorf("first record\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

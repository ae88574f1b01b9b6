package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// drain reads and acknowledges until n records came, and returns their coordinates.
func drain(t *testing.T, in *input, n int) (coordinates []string) {
	t.Helper()
	for len(coordinates) < n {
		g := read(t, in)
		coordinates = append(coordinates, g.coordinates()...)
		g.answer(t, nil)
	}
	slices.Sort(coordinates)
	return coordinates
}

func addPartitions(t *testing.T, addr string, n int) {
	t.Helper()
	if _, err := kadm.NewClient(newClient(t, addr)).UpdatePartitions(deadline(t), n, testTopic); err != nil {
		t.Fatal(err)
	}
}

// TestLatestReadsNewPartitions: what a group reads with `start: latest` is all that comes
// after its first moment, in partitions, too, that did not exist then.
func TestLatestReadsNewPartitions(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			addr := addresses(startBroker(t))
			fill(t, addr, 10, 0)
			in := startInput(t, addr, "start: latest\nmetadata_max_age: 1s\ngroup_protocol: "+protocol)
			awaitCommitted(t, addr, 10, 0, 0)
			addPartitions(t, addr, 5)
			fill(t, addr, 100, 3, 4) // before anybody has noticed them
			got := drain(t, in, 200)
			if len(got) != 200 || got[0] != "3/0" || got[100] != "4/0" {
				t.Errorf("got %d records from %s and %s, want 200 from 3/0 and 4/0", len(got), got[0], got[100])
			}
			fill(t, addr, 1, 0)
			if got := drain(t, in, 1); got[0] != "0/10" {
				t.Errorf("got %s, want 0/10", got[0])
			}
		})
	}
}

// TestLatestCommitsWhereItBegins: an empty partition has a commit as soon as it is
// assigned, so that what comes while nobody reads is read later.
func TestLatestCommitsWhereItBegins(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 7, 1)
	in := startInput(t, addr, "start: latest")
	awaitCommitted(t, addr, 0, 7, 0)
	if err := in.Close(deadline(t)); err != nil {
		t.Fatal(err)
	}
	fill(t, addr, 5, 0, 1)
	got := drain(t, startInput(t, addr, "start: latest"), 10)
	want := []string{"0/0", "0/1", "0/2", "0/3", "0/4", "1/10", "1/11", "1/7", "1/8", "1/9"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestLatestWithManyMembers: members that join a group in its first moment share one
// first moment, whoever of them owns which partition.
func TestLatestWithManyMembers(t *testing.T) {
	addr := addresses(startBroker(t))
	addPartitions(t, addr, 6)
	fill(t, addr, 10, 0, 1, 2, 3, 4, 5)
	members := []*input{}
	for range 3 {
		members = append(members, newInput(t, addr, "start: latest"))
	}
	for _, in := range members {
		go func() { _ = in.Connect(deadline(t)) }()
	}
	awaitCommitted(t, addr, 10, 10, 10)
	fill(t, addr, 1, 0, 1, 2, 3, 4, 5)
	all := make(chan string)
	for _, in := range members {
		go func() {
			for {
				batch, ack, err := in.ReadBatch(t.Context())
				if err != nil {
					return
				}
				for _, c := range (got{batch, ack}).coordinates() {
					all <- c
				}
				_ = ack(t.Context(), nil)
			}
		}()
	}
	var got []string
	for range 6 {
		select {
		case c := <-all:
			got = append(got, c)
		case <-deadline(t).Done():
			t.Fatalf("got %v, want the new record of each partition", got)
		}
	}
	slices.Sort(got)
	if want := []string{"0/10", "1/10", "2/10", "3/10", "4/10", "5/10"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestLatestOfATopicMadeAnew: the group has begun long ago, so the new topic is read
// from its start.
func TestLatestOfATopicMadeAnew(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 10, 0)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: testTopic, Partition: 0, At: 6, LeaderEpoch: -1, Metadata: "stream=deadbeef"})
	if err := kadm.NewClient(newClient(t, addr)).CommitAllOffsets(deadline(t), testGroup, offsets); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, startInput(t, addr, "start: latest"), 10); got[0] != "0/0" {
		t.Errorf("first record\n got %s\nwant 0/0", got[0])
	}
}

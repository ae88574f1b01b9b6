package kafka

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// codesOf are the errors that brokers answer each request with. Some requests come
// only at the start, and some errors stand at the top of the answer, not beside each
// partition.
var codesOf = []struct {
	key      kmsg.Key
	protocol string // of the group
	start    bool
	top      bool
	codes    []*kerr.Error
}{
	{kmsg.Produce, "classic", false, false, []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.RequestTimedOut, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.KafkaStorageError, kerr.TopicAuthorizationFailed, kerr.CorruptMessage}},
	{kmsg.InitProducerID, "classic", true, true, []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator}},
	{kmsg.Fetch, "classic", false, false, []*kerr.Error{kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.KafkaStorageError,
		kerr.OffsetNotAvailable, kerr.ReplicaNotAvailable, kerr.TopicAuthorizationFailed, kerr.CorruptMessage, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID}},
	{kmsg.Fetch, "classic", false, true, []*kerr.Error{kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch, kerr.KafkaStorageError}},
	{kmsg.ListOffsets, "classic", true, false, []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition}},
	{kmsg.FindCoordinator, "classic", true, false, []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress}},
	{kmsg.JoinGroup, "classic", true, true, []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.RebalanceInProgress, kerr.UnknownMemberID}},
	{kmsg.SyncGroup, "classic", true, true, []*kerr.Error{kerr.RebalanceInProgress, kerr.NotCoordinator, kerr.IllegalGeneration}},
	{kmsg.Heartbeat, "classic", false, true, []*kerr.Error{kerr.RebalanceInProgress, kerr.NotCoordinator, kerr.IllegalGeneration, kerr.UnknownMemberID}},
	{kmsg.OffsetFetch, "classic", true, true, []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnstableOffsetCommit}},
	{kmsg.OffsetCommit, "classic", false, false, []*kerr.Error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.NotCoordinator,
		kerr.CoordinatorLoadInProgress, kerr.RequestTimedOut, kerr.GroupAuthorizationFailed}},
	{kmsg.OffsetCommit, "consumer", false, false, []*kerr.Error{kerr.StaleMemberEpoch, kerr.UnknownMemberID, kerr.NotCoordinator}},
	{kmsg.ConsumerGroupHeartbeat, "consumer", false, true, []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.FencedMemberEpoch, kerr.UnknownMemberID}},
}

// forgetful is quickGroups, and a broker that forgets a member of KIP-848 after two
// seconds: it does not know that we make the member believe to be unknown.
func forgetful() kfake.Opt {
	return kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "100", "group.consumer.session.timeout.ms": "2000"})
}

// TestBrokerErrors: a broker answers a request with each of the errors that it may; the
// pipeline goes on by itself, loses nothing, and writes nothing twice.
func TestBrokerErrors(t *testing.T) {
	for _, tc := range codesOf {
		name := tc.key.Name() + " " + tc.protocol
		if tc.top {
			name += " top"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, forgetful(), kfake.NumBrokers(2))
			addr := addresses(broker)
			answer := func(code *kerr.Error) *kfake.FaultHandle {
				return broker.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, TopLevel: tc.top, Err: code})
			}
			var handles []*kfake.FaultHandle
			if tc.start {
				for _, code := range tc.codes {
					handles = append(handles, answer(code))
				}
			}
			r := newRelay(t, addr, "request_timeout: 2s")
			r.start(addr, "group_protocol: "+tc.protocol+"\nrequest_timeout: 2s")
			if !tc.start {
				r.write(10)
				eventually(t, "the first events to be read", func() bool { return r.read() == r.next })
			}
			for i, code := range tc.codes {
				if !tc.start {
					handles = append(handles, answer(code))
				}
				eventually(t, "a request to be answered with "+code.Message, func() bool {
					r.write(10)
					return handles[i].Hits() > 0
				})
			}
			r.write(10)
			r.settle(addr)
		})
	}
}

// TestThrottled: a broker that asks for a pause gets one, and all that was to be read is.
func TestThrottled(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	r := newRelay(t, addr, "")
	r.write(100)
	var asked atomic.Int64
	broker.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if asked.Add(1) > 3 {
			return nil, nil, false
		}
		broker.KeepControl()
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 300
		return resp, nil, true
	})
	begin := time.Now()
	r.start(addr, "")
	r.settle(addr)
	if took := time.Since(begin); asked.Load() <= 3 || took < 600*time.Millisecond {
		t.Errorf("%d fetches in %v, want more than 3 with pauses between them", asked.Load(), took)
	}
}

// TestRefusedForItsSize: what no retry can help is named: those records, and why.
func TestRefusedForItsSize(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	r := newRelay(t, addr, "")
	h := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: -1})
	batch := r.batch(3)
	err := r.out.WriteBatch(deadline(t), batch)
	h.Remove()
	var failed *service.BatchError
	if !errors.As(err, &failed) || failed.IndexedErrors() != 3 || !strings.Contains(err.Error(), "max.message.bytes") {
		t.Errorf("got %v\nwant the three records refused for max.message.bytes", err)
	}
	select {
	case err := <-process.Fatals():
		t.Errorf("asked the process to stop: %v", err)
	default:
	}
	if err := r.out.WriteBatch(deadline(t), batch); err != nil {
		t.Fatal(err)
	}
	r.start(addr, "")
	r.settle(addr)
}

// TestLeadersAndCoordinatorsMove: while events flow, partitions change their leaders,
// the group its coordinator, and a broker leaves and comes back.
func TestLeadersAndCoordinatorsMove(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, quickGroups(), kfake.NumBrokers(3))
			addr, random := addresses(broker), seeded(t)
			r := newRelay(t, addr, "")
			r.start(addr, "group_protocol: "+protocol)
			rounds := 6
			if thorough() {
				rounds = 500
			}
			for range rounds {
				r.write(1 + random.IntN(50))
				switch random.IntN(4) {
				case 0:
					broker.ShufflePartitionLeaders()
				case 1:
					broker.RehashCoordinators()
				case 2:
					if err := broker.MoveTopicPartition(testTopic, int32(random.IntN(3)), int32(random.IntN(3))); err != nil {
						t.Fatal(err)
					}
				case 3:
					leaveAndReturn(t, broker, r)
				}
			}
			r.settle(broker.ListenAddrs()[0])
		})
	}
}

// leaveAndReturn takes the third broker away while events are written.
func leaveAndReturn(t *testing.T, broker *kfake.Cluster, r *relay) {
	t.Helper()
	if err := broker.RemoveNode(2); err != nil {
		t.Fatal(err)
	}
	r.write(20)
	if _, _, err := broker.AddNode(2, 0); err != nil { // on another port: kfake keeps old connections to the one that left
		t.Fatal(err)
	}
}

package broker

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stable returns a broker and the one member of its group, with this patience.
func stable(t *testing.T, patience time.Duration) (*Broker, *member) {
	t.Helper()
	b := startTest(t, testConfig(t))
	m := newMember(t, b)
	m.session, m.patience = time.Minute, patience
	m.finishJoin(b, m.startJoin(b))
	return b, m
}

// TestKilledJoiner kills a member while its join waits. kfake would take it for a
// member that lives for ever, and let every later join wait for it.
func TestKilledJoiner(t *testing.T) {
	static := "instance"
	for name, killed := range map[string]member{
		"dynamic":                {version: 9},
		"dynamic, not yet named": {version: 3},
		"static":                 {version: 9, instance: &static},
		"static, older client":   {version: 5, instance: &static},
	} {
		t.Run(name, func(t *testing.T) {
			b, old := stable(t, time.Minute)
			ghost := newMember(t, b)
			ghost.version, ghost.instance = killed.version, killed.instance
			ghost.startJoin(b)
			ghost.conn.Close()
			eventually(t, "a member leaves that was killed while it joined", func() bool {
				return len(b.cluster.GroupInfo("g").Members) == 1
			})
			old.finishJoin(b, old.startJoin(b))

			fresh := newMember(t, b)
			wait := fresh.startJoin(b)
			old.finishJoin(b, old.startJoin(b))
			fresh.finishJoin(b, wait)
			if got, want := len(b.cluster.GroupInfo("g").Members), 2; got != want {
				t.Errorf("members\n got %d\nwant %d", got, want)
			}
		})
	}
}

// TestJoinsDoNotProlong has members join one after the other while one that lives
// never does. kfake would start its rebalance timeout anew with each of them.
func TestJoinsDoNotProlong(t *testing.T) {
	const patience = 2 * time.Second
	b, stuck := stable(t, patience)
	joiner := func() *member {
		m := newMember(t, b)
		m.patience = patience
		return m
	}
	first := joiner()
	wait := first.startJoin(b)
	tick := time.NewTicker(patience / 4)
	defer tick.Stop()
	for end := time.Now().Add(5 * patience); ; <-tick.C {
		if errors.Is(stuck.heartbeat(), kerr.UnknownMemberID) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the group still waits after %s for a member that does not join\nwant %s", 5*patience, patience)
		}
		joiner().startJoin(b)
	}
	if resp := first.read(wait).(*kmsg.JoinGroupResponse); resp.ErrorCode != 0 {
		t.Errorf("join: %v", kerr.ErrorForCode(resp.ErrorCode))
	}
}

// TestRemovedWhileItWaits removes a member that waits for others. kfake would never
// answer it; when its connection ends it joins anew.
func TestRemovedWhileItWaits(t *testing.T) {
	b, old := stable(t, time.Minute)
	removed := newMember(t, b)
	removed.startJoin(b)
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group, leave.MemberID = 1, "g", removed.id
	old.send(leave)
	old.read(leave)
	removed.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := removed.conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the removal\n got %v\nwant %v", err, io.EOF)
	}
}

// TestWaitingIsAlive lets a member wait for another one longer than its session,
// first in its join and then in its sync. kfake would drop it without an answer.
func TestWaitingIsAlive(t *testing.T) {
	b, slow := stable(t, time.Minute)
	quick := newMember(t, b)
	wait := quick.startJoin(b)
	slow.finishJoin(b, slow.startJoin(b))
	quick.finishJoin(b, wait)
	if err := quick.finishSync(quick.startSync()); err != nil {
		t.Fatal(err)
	}

	third := newMember(t, b)
	third.session = time.Minute
	third.startJoin(b)
	id, wait := quick.id, quick.startJoin(b)
	slow.stayBusy(3 * quick.session)
	slowWait := slow.startJoin(b)
	resp := quick.read(wait).(*kmsg.JoinGroupResponse)
	if resp.ErrorCode != 0 || resp.MemberID != id {
		t.Fatalf("join\n got member %q, error %v\nwant member %q", resp.MemberID, kerr.ErrorForCode(resp.ErrorCode), id)
	}
	slow.generation = slow.read(slowWait).(*kmsg.JoinGroupResponse).Generation

	quick.generation = resp.Generation
	sync := quick.startSync()
	slow.stayBusy(3 * quick.session)
	if err := slow.finishSync(slow.startSync()); err != nil {
		t.Fatalf("leader's sync: %v", err)
	}
	if err := quick.finishSync(sync); err != nil {
		t.Errorf("sync: %v", err)
	}
}

// TestServerAssigned kills members of a group of the newer protocol, static and
// not, as soon as they have joined. kfake itself lets their sessions run out.
func TestServerAssigned(t *testing.T) {
	b := startTest(t, testConfig(t))
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 3)
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	session := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "consumer.session.timeout.ms", Value: kmsg.StringPtr("1000")}
	alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{session},
	}}
	resp, err := alter.RequestWith(t.Context(), cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	static := "instance"
	for _, instance := range []*string{nil, &static} {
		ghost := newMember(t, b)
		ghost.instance = instance
		ghost.beat()
		ghost.conn.Close()
	}
	m := newMember(t, b)
	eventually(t, "one member reads all three partitions", func() bool { return m.beat() == 3 })
}

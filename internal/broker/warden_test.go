package broker

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is a group member whose every request and connection the test decides.
type member struct {
	t          *testing.T
	addr       string
	conn       net.Conn
	id         string
	instance   *string
	generation int32
	session    time.Duration
	patience   time.Duration
	version    int16
}

// newMember's times suit most tests: a session that ends soon, and a rebalance
// timeout so long that a join which waits for it counts as stuck.
func newMember(t *testing.T, b *Broker) *member {
	m := &member{t: t, addr: b.Addr(), session: time.Second, patience: time.Minute, version: 9}
	m.dial()
	return m
}

func (m *member) dial() {
	m.t.Helper()
	conn, err := net.Dial("tcp", m.addr)
	if err != nil {
		m.t.Fatal(err)
	}
	m.conn = conn
	m.t.Cleanup(func() { conn.Close() })
}

func (m *member) send(req kmsg.Request) {
	m.t.Helper()
	if _, err := m.conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 7)); err != nil {
		m.t.Fatal(err)
	}
}

// read waits for the answer to req, at most 10 s: a third of what clients wait.
func (m *member) read(req kmsg.Request) kmsg.Response {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var size [4]byte
	if _, err := io.ReadFull(m.conn, size[:]); err != nil {
		m.t.Fatalf("answer to %s: %v", kmsg.NameForKey(req.Key()), err)
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(m.conn, body); err != nil {
		m.t.Fatalf("answer to %s: %v", kmsg.NameForKey(req.Key()), err)
	}
	resp := req.ResponseKind()
	head := 4 // the request's number
	if resp.IsFlexible() {
		head++ // no tags
	}
	if err := resp.ReadFrom(body[head:]); err != nil {
		m.t.Fatal(err)
	}
	return resp
}

func (m *member) join() *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType = m.version, "g", "consumer"
	req.MemberID, req.InstanceID = m.id, m.instance
	req.SessionTimeoutMillis = int32(m.session.Milliseconds())
	req.RebalanceTimeoutMillis = int32(m.patience.Milliseconds())
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	return req
}

// startJoin returns once the broker holds a join that waits for other members.
func (m *member) startJoin(b *Broker) *kmsg.JoinGroupRequest {
	m.t.Helper()
	if m.id == "" && m.instance == nil && m.version >= 4 {
		req := m.join()
		m.send(req)
		m.id = m.read(req).(*kmsg.JoinGroupResponse).MemberID
	}
	before := 0
	if info := b.cluster.GroupInfo("g"); info != nil {
		before = len(info.Members)
	}
	req, known := m.join(), m.generation > 0
	m.send(req)
	eventually(m.t, "a join reaches the broker", func() bool {
		info := b.cluster.GroupInfo("g")
		return info != nil && (known || len(info.Members) > before)
	})
	return req
}

// finishJoin waits for the answer to a join, and shares out the partitions if this
// member leads. It joins again as long as others come and go meanwhile.
func (m *member) finishJoin(b *Broker, req *kmsg.JoinGroupRequest) {
	m.t.Helper()
	for {
		resp := m.read(req).(*kmsg.JoinGroupResponse)
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			m.t.Fatalf("join: %v", err)
		}
		m.id, m.generation = resp.MemberID, resp.Generation
		if resp.LeaderID != m.id {
			return
		}
		sync := m.startSync()
		err := m.finishSync(sync)
		if err == nil {
			return
		}
		if !errors.Is(err, kerr.RebalanceInProgress) {
			m.t.Fatalf("leader's sync: %v", err)
		}
		req = m.startJoin(b)
	}
}

func (m *member) startSync() *kmsg.SyncGroupRequest {
	m.t.Helper()
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 3, "g", m.id, m.instance, m.generation
	m.send(req)
	return req
}

func (m *member) finishSync(req *kmsg.SyncGroupRequest) error {
	m.t.Helper()
	return kerr.ErrorForCode(m.read(req).(*kmsg.SyncGroupResponse).ErrorCode)
}

func (m *member) heartbeat() error {
	m.t.Helper()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 3, "g", m.id, m.instance, m.generation
	m.send(req)
	return kerr.ErrorForCode(m.read(req).(*kmsg.HeartbeatResponse).ErrorCode)
}

// stayBusy keeps m alive for a while, as a member does that has still to put away
// what it read.
func (m *member) stayBusy(d time.Duration) {
	m.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		if err := m.heartbeat(); err != nil && !errors.Is(err, kerr.RebalanceInProgress) {
			m.t.Fatalf("heartbeat: %v", err)
		}
	}
}

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
			old.stayBusy(300 * time.Millisecond) // the broker notices meanwhile
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

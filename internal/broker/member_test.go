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

// beat sends a heartbeat of the newer protocol, with which a member joins and learns
// what it is to read, and returns how many partitions that is.
func (m *member) beat() int {
	m.t.Helper()
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = "g", m.id, m.instance, m.generation
	req.RebalanceTimeoutMillis = int32(m.patience.Milliseconds())
	req.SubscribedTopicNames, req.Topics = []string{topic}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	m.send(req)
	resp := m.read(req).(*kmsg.ConsumerGroupHeartbeatResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		m.t.Fatalf("heartbeat: %v", err)
	}
	m.id, m.generation = *resp.MemberID, resp.MemberEpoch
	owned := 0
	if resp.Assignment != nil {
		for _, t := range resp.Assignment.Topics {
			owned += len(t.Partitions)
		}
	}
	return owned
}

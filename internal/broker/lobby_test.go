package broker

import (
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestLobbyReadsEveryVersion enters a join and a sync of every version, and lets
// their answer and the end of the connection take them out again.
func TestLobbyReadsEveryVersion(t *testing.T) {
	conn := memoryConn{}
	for _, tc := range []struct {
		req      kmsg.Request
		patience func(version int16) time.Duration
	}{
		{
			&kmsg.JoinGroupRequest{Group: "g", MemberID: "m", SessionTimeoutMillis: 1000, RebalanceTimeoutMillis: 2000},
			func(version int16) time.Duration {
				if version == 0 {
					return time.Second
				}
				return 2 * time.Second
			},
		},
		{&kmsg.SyncGroupRequest{Group: "g", MemberID: "m"}, func(int16) time.Duration { return 0 }},
	} {
		for version := range tc.req.MaxVersion() + 1 {
			tc.req.SetVersion(version)
			frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("c")).AppendRequest(nil, tc.req, 7)[4:]
			l := &lobby{}
			l.enter(conn, frame)
			l.answered(conn, 6) // another's
			waits, _ := l.look()
			if len(waits["g"]) != 1 {
				t.Fatalf("%s version %d\n got %+v\nwant one that waits", kmsg.NameForKey(tc.req.Key()), version, waits)
			}
			w := waits["g"][0]
			if w.member != "m" || w.patience != tc.patience(version) {
				t.Errorf("%s version %d\n got member %q, patience %s\nwant member m, patience %s",
					kmsg.NameForKey(tc.req.Key()), version, w.member, w.patience, tc.patience(version))
			}
			l.answered(conn, 7)
			if waits, lost := l.look(); len(waits)+len(lost) != 0 {
				t.Errorf("after the answer\n got %v, lost %v\nwant none", waits, lost)
			}
			l.enter(conn, frame)
			l.left(conn)
			if waits, lost := l.look(); len(waits) != 0 || len(lost) != 1 {
				t.Errorf("after the end of the connection\n got %v, lost %v\nwant one lost", waits, lost)
			}
		}
	}
}

// TestLobbyKeepsTheLatest: a member that asks again has given up its first request,
// whether or not it has hung up meanwhile.
func TestLobbyKeepsTheLatest(t *testing.T) {
	for name, hangUp := range map[string]bool{"connection open": false, "connection lost": true} {
		t.Run(name, func(t *testing.T) {
			l := &lobby{}
			first, _ := net.Pipe()
			second, _ := net.Pipe()
			req := kmsg.NewPtrJoinGroupRequest()
			req.Group, req.MemberID = "g", "m"
			frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 7)[4:]
			l.enter(first, frame)
			if hangUp {
				l.left(first)
			}
			l.enter(second, frame)
			waits, lost := l.look()
			if got := waits["g"]; len(got) != 1 || got[0].conn != second || len(lost) != 0 {
				t.Errorf("waiting\n got %+v, lost %+v\nwant the second request only", got, lost)
			}
		})
	}
}

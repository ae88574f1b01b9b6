package broker

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// waiting is a JoinGroup or SyncGroup request without an answer: its sender waits
// for the other members of the group.
type waiting struct {
	conn   net.Conn
	number int32 // of the request; clients number theirs per connection
	group  string
	member string // empty in a first join: kfake names the member and tells nobody yet
	host   string // the sender's address, by which such a member is found
	since  time.Time
	// patience is how long the sender lets the group take to assemble: the rebalance
	// timeout of a JoinGroup; a SyncGroup has none.
	patience time.Duration
}

// sentBy reports whether m is the member that waits.
func (w waiting) sentBy(m kfake.GroupMember) bool {
	return w.member == m.MemberID || w.member == "" && w.host == m.ClientHost
}

// lobby knows who waits for a group, from the bytes that pass through the guard:
// kfake shows a request to a control function without its connection, and the end
// of a connection to nobody.
type lobby struct {
	mu    sync.Mutex
	waits []waiting // a few, and only during a rebalance
	lost  []waiting // those whose connection ended
}

// mayWait reports whether the answer to a request depends on other members.
func mayWait(key int16) bool {
	return key == kmsg.JoinGroup.Int16() || key == kmsg.SyncGroup.Int16()
}

// enter notes the request in frame, which begins behind its size. What cannot be
// read is kfake's to refuse. kfake answers only the latest request of a member, and
// one that asks again over a new connection is not lost.
func (l *lobby) enter(conn net.Conn, frame []byte) {
	w, ok := parseWaiting(frame)
	if !ok {
		return
	}
	w.conn, w.host, w.since = conn, conn.RemoteAddr().String(), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	earlier := func(old waiting) bool {
		return w.member != "" && old.member == w.member && old.group == w.group
	}
	l.lost = slices.DeleteFunc(l.lost, earlier)
	l.waits = append(slices.DeleteFunc(l.waits, earlier), w)
}

// answered forgets a request. It is told the numbers of all answers.
func (l *lobby) answered(conn net.Conn, number int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = slices.DeleteFunc(l.waits, func(w waiting) bool { return w.conn == conn && w.number == number })
}

// left marks what a closed connection had asked for as lost.
func (l *lobby) left(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = slices.DeleteFunc(l.waits, func(w waiting) bool {
		if w.conn == conn {
			l.lost = append(l.lost, w)
		}
		return w.conn == conn
	})
}

// look returns who waits, by group, and once who was lost since the last look.
func (l *lobby) look() (byGroup map[string][]waiting, lost []waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	byGroup = map[string][]waiting{}
	for _, w := range l.waits {
		byGroup[w.group] = append(byGroup[w.group], w)
	}
	lost, l.lost = l.lost, nil
	return byGroup, lost
}

// parseWaiting reads the beginning of a request of a key that mayWait. kmsg reads all of
// it, and would count to four billion if a request said that it has so many tags.
func parseWaiting(frame []byte) (w waiting, ok bool) {
	r := reader{Reader: kbin.Reader{Src: frame}}
	key, version := r.Int16(), r.Int16()
	w.number = r.Int32()
	r.NullableString() // client id
	if !mayWait(key) || !r.Ok() {
		return w, false
	}
	r.flexible = flexible(key, version)
	r.tags()
	w.group = r.text()
	if key == kmsg.JoinGroup.Int16() {
		w.patience = time.Duration(r.Int32()) * time.Millisecond // of a session
		if version > 0 {                                         // of a rebalance
			w.patience = time.Duration(r.Int32()) * time.Millisecond
		}
	} else {
		r.Int32() // generation
	}
	w.member = r.text()
	return w, r.Ok()
}

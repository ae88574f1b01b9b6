package broker

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// warden keeps rebalances of classic groups as short as Apache Kafka does, where
// kfake would let every member wait for one that never comes:
//
//   - A member that is killed while its join waits gets no session in kfake, and so
//     never expires. The warden lets it leave when its connection ends.
//   - kfake starts the rebalance timeout anew with every join. The warden counts from
//     the oldest join and then removes the members that have not joined.
//   - kfake lets the session of a member run out while the member waits for others,
//     and leaves its request without an answer. The warden sends its heartbeats.
//   - kfake never answers a member that was removed while it waited. The warden ends
//     its connection, and the client joins anew.
//
// Groups of the newer protocol (KIP-848) need none of it: no request of theirs waits.
type warden struct {
	cluster *kfake.Cluster
	lobby   *lobby
	client  *kgo.Client // of our own broker: kfake takes such requests from clients only
	warn    *sparse
	disband atomic.Bool // all groups, at the next look
	stop    context.CancelFunc
	done    chan struct{}
}

// wardenEvery is the time between two looks at who waits: a quarter of
// minSession, so that nobody's session ends between two heartbeats.
const wardenEvery = minSession / 4

// orphanAfter is how long a request may wait that kfake knows no member for: it may
// still be in kfake's queue.
const orphanAfter = 2 * time.Second

func newWarden(c Config, b *Broker, l *lobby) (*warden, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.ClientID("clickstream-broker-warden"))
	if err != nil {
		return nil, err
	}
	return &warden{cluster: b.cluster, lobby: l, client: client, warn: newSparse(c.Log), done: make(chan struct{})}, nil
}

// start watches until close.
func (w *warden) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go w.run(ctx)
}

func (w *warden) close() {
	w.stop()
	<-w.done
}

func (w *warden) run(ctx context.Context) {
	defer close(w.done)
	defer w.client.Close()
	tick := time.NewTicker(wardenEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.warn.warn("consumer group left to itself", "cause", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// disbandAll lets all members of all groups join anew. A panic in kfake's loop stops
// the timers of their sessions, so that those who are dead would stay for ever.
func (w *warden) disbandAll() { w.disband.Store(true) }

// look does for each group what is due.
func (w *warden) look(ctx context.Context) error {
	if w.disband.CompareAndSwap(true, false) {
		if err := w.disbandGroups(ctx); err != nil {
			w.disband.Store(true)
			return err
		}
	}
	waits, lost := w.lobby.look()
	for _, one := range lost {
		if err := w.remove(ctx, one.group, w.idsOf(one)); err != nil {
			return err
		}
	}
	for name, those := range waits {
		group := w.cluster.GroupInfo(name)
		if group == nil {
			group = &kfake.GroupInfo{Group: name} // not there yet, or not any more
		}
		if err := w.tend(ctx, group, those); err != nil {
			return err
		}
	}
	return nil
}

func (w *warden) disbandGroups(ctx context.Context) error {
	listed, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, w.client)
	if err != nil {
		return fmt.Errorf("consumer groups after a failed request: %w", err)
	}
	for _, g := range listed.Groups {
		group := w.cluster.GroupInfo(g.Group)
		if group == nil {
			continue // gone since
		}
		if g.GroupType == "consumer" {
			err = w.expel(ctx, group)
		} else {
			_, ids := split(group.Members, nil)
			err = w.remove(ctx, g.Group, ids)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expel lets the members of a group of the newer protocol leave.
func (w *warden) expel(ctx context.Context, group *kfake.GroupInfo) error {
	for _, m := range group.Members {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = group.Group, m.MemberID, -1
		if _, err := req.RequestWith(ctx, w.client); err != nil {
			return fmt.Errorf("leave group %q for a member: %w", group.Group, err)
		}
	}
	return nil
}

// tend looks after a group for which these wait.
func (w *warden) tend(ctx context.Context, group *kfake.GroupInfo, waits []waiting) error {
	now := time.Now()
	for _, one := range waits {
		if now.Sub(one.since) > orphanAfter && !slices.ContainsFunc(group.Members, one.sentBy) {
			one.conn.Close() // to kfake it is no member: no answer will come
		}
	}
	present, absent := split(group.Members, waits)
	if group.State == "PreparingRebalance" && overdue(waits, now) {
		w.warn.warn("members removed that did not join their group in time", "group", group.Group, "members", len(absent))
		if err := w.remove(ctx, group.Group, absent); err != nil {
			return err
		}
	}
	return w.keepAlive(ctx, group, present)
}

// idsOf returns the id of a member that waited. By the id alone, it leaves after
// kfake has read its join, even if that is still in kfake's queue.
func (w *warden) idsOf(lost waiting) []string {
	if lost.member != "" {
		return []string{lost.member}
	}
	group := w.cluster.GroupInfo(lost.group)
	if group == nil {
		return nil
	}
	ids, _ := split(group.Members, []waiting{lost})
	return ids
}

// split returns the ids of the members that wait, and of those that do not.
func split(members []kfake.GroupMember, waits []waiting) (present, absent []string) {
	for _, m := range members {
		if slices.ContainsFunc(waits, func(one waiting) bool { return one.sentBy(m) }) {
			present = append(present, m.MemberID)
		} else {
			absent = append(absent, m.MemberID)
		}
	}
	return present, absent
}

// overdue reports whether a join has waited for as long as any of those that wait
// is willing to. Clients wait longer than that for an answer, franz-go by 10 s.
func overdue(waits []waiting, now time.Time) bool {
	var patience, longest time.Duration
	for _, one := range waits {
		if one.patience > 0 { // a join
			patience = max(patience, one.patience)
			longest = max(longest, now.Sub(one.since))
		}
	}
	return patience > 0 && longest >= patience
}

// remove lets members leave. The last of them to go lets a rebalance end at once.
// They go by their ids: an instance id would take the successor with it.
func (w *warden) remove(ctx context.Context, group string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	for _, id := range ids {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = id
		req.Members = append(req.Members, m)
	}
	// An error in the answer says that a member or its group is gone already.
	if _, err := req.RequestWith(ctx, w.client); err != nil {
		return fmt.Errorf("leave group %q for members that are gone: %w", group, err)
	}
	return nil
}

// keepAlive sends the heartbeats of members that wait. What the answer says they
// learn from their own.
func (w *warden) keepAlive(ctx context.Context, group *kfake.GroupInfo, ids []string) error {
	for _, id := range ids {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation, req.MemberID = group.Group, group.Epoch, id
		if _, err := req.RequestWith(ctx, w.client); err != nil {
			return fmt.Errorf("heartbeat to group %q for a member that waits: %w", group.Group, err)
		}
	}
	return nil
}

package clickhouse

import (
	"context"
	"strings"
	"sync"
	"testing"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// TestFenceAfterARestart: two members take each partition at the same moment, for rows
// that are stored already, so that neither has anything to insert. One of them goes on
// and stores the next ones; the engine is killed and comes back; then the other, whom
// the group has told nothing yet, sends what it has. A fence that came back in another
// order than the one in which it was obeyed let it.
func TestFenceAfterARestart(t *testing.T) {
	own := enginetest.StartOwn(t, enginetest.Options{})
	f := fixture{own.Server, own.Database(t)}
	f.schema(t)
	yaml := f.yaml("events", "exactly_once: true\nmax_in_flight: 1")
	y, x := connected(t, yaml), connected(t, other(yaml))
	n := 30
	if thorough() {
		n = 200
	}
	gone := func(context.Context) error { return event.ErrRevoked }
	sy, sx := partitions(n), partitions(n)
	for _, s := range sy {
		s.Commit = gone
	}
	mustWrite(t, x, ofEach(partitions(n), 0, 1))
	for i := range n {
		var both sync.WaitGroup
		both.Go(func() { mustWrite(t, y, visits(sy[i], 1, 0, 1)) })
		both.Go(func() { mustWrite(t, x, visits(sx[i], 1, 0, 1)) })
		both.Wait()
	}
	mustWrite(t, x, ofEach(sx, 1, 10))
	f.wantRows(t, 10*n)
	own.Kill()
	own.Restart(t)
	mustWrite(t, y, ofEach(sy, 1, 10))
	f.wantRows(t, 10*n)
	mustWrite(t, x, ofEach(sx, 5, 15)) // the group gives them to x: it takes them anew
	f.wantRows(t, 15*n)
}

// partitions are assignments of the partitions 0 to n-1.
func partitions(n int) (all []*event.Source) {
	for i := range n {
		all = append(all, assignment(int32(i), nil))
	}
	return all
}

// ofEach is one batch of the events first to end of every assignment.
func ofEach(sources []*event.Source, first, end int) (batch service.MessageBatch) {
	for _, s := range sources {
		batch = append(batch, visits(s, 1, first, end)...)
	}
	return batch
}

// TestFenceReplacedWhileWriting: an upgrade puts a new and empty fence in the place of the
// old one, under writers that are at work.
func TestFenceReplacedWhileWriting(t *testing.T) {
	f, yaml := guarded(t)
	o, l := connected(t, yaml), acked{}
	conn, replace := f.Conn(t, f.database), replacement(t, f)
	a := assignment(0, nil)
	for i := range 20 {
		var replacing sync.WaitGroup
		replacing.Go(func() {
			if err := conn.Exec(t.Context(), replace); err != nil {
				t.Error(err)
			}
		})
		batch := visits(a, 1, 10*i, 10*i+15)
		l.add(t, batch)
		mustWrite(t, o, batch)
		replacing.Wait()
	}
	l.holds(t, f)
}

// replacement is the statement that puts a fence like the present one in its place.
func replacement(t testing.TB, f fixture) string {
	t.Helper()
	create := f.query(t, "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'events_fence' FORMAT TSVRaw")
	return strings.Replace(create, "CREATE TABLE", "CREATE OR REPLACE TABLE", 1)
}

// TestFenceOnDisk: an output does not start over a fence that a restart may bring back in
// another order.
func TestFenceOnDisk(t *testing.T) {
	f, yaml := guarded(t)
	f.query(t, strings.Replace(replacement(t, f), ", persistent = 0", "", 1))
	want := "clickhouse " + f.Native + ": the fence " + f.database + ".events_fence is kept on disk, and comes back from a restart in another order than it was obeyed: run `clickstream init`, or replace it by one with persistent = 0"
	if got := fatal(t, yaml); got != want {
		t.Errorf("fatal error\n got %s\nwant %s", got, want)
	}
}

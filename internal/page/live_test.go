package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"clickstream/grafana"
	"clickstream/internal/engine/enginetest"
)

// viewer is one live connection.
type viewer struct {
	t      *testing.T
	lines  *bufio.Scanner
	header http.Header
	close  func()
}

func (s *site) watch(query string) *viewer {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/live?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		s.t.Fatalf("live: got %s", r.Status)
	}
	v := &viewer{t: s.t, lines: bufio.NewScanner(r.Body), header: r.Header, close: func() { cancel(); r.Body.Close() }}
	v.lines.Buffer(nil, 1<<22)
	s.t.Cleanup(v.close)
	timer := time.AfterFunc(2*patience, v.close) // a test that hangs ends
	s.t.Cleanup(func() { timer.Stop() })
	return v
}

// next returns the next event.
func (v *viewer) next() (name string, data []byte) {
	v.t.Helper()
	for v.lines.Scan() {
		line := v.lines.Text()
		if text, ok := strings.CutPrefix(line, "event: "); ok {
			name = text
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			return name, []byte(text)
		}
	}
	v.t.Fatalf("the stream ended: %v", v.lines.Err())
	return "", nil
}

// until reads events until one of this name satisfies check.
func until[T any](v *viewer, event string, check func(T) bool) T {
	v.t.Helper()
	for {
		name, data := v.next()
		var got T
		if name != event {
			continue
		}
		if err := json.Unmarshal(data, &got); err != nil {
			v.t.Fatal(err)
		}
		if check(got) {
			return got
		}
	}
}

// TestLive: the state, every panel, and then a new row by itself.
func TestLive(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(7, "stat", "SELECT count() AS events FROM events", ""), onePanel(8, "heatmap", "SELECT 1", ""),
	)}))
	v := s.watch("board=own&range=5m")
	if got := v.header.Get("Content-Type") + " " + v.header.Get("X-Accel-Buffering"); got != "text/event-stream no" {
		t.Errorf("headers: got %q", got)
	}
	empty := until(v, "state", func(state) bool { return true })
	if !empty.Connected || empty.Engine != "ok" || empty.FreshnessMS != nil || empty.At == 0 {
		t.Errorf("state of empty tables: got %+v", empty)
	}
	first := until(v, "panel", func(a Answer) bool { return a.ID == 7 })
	if got := first.Items[0].Text; got != "0" {
		t.Errorf("before the first row: got %s, want 0", got)
	}
	s.add(3, "purchase", "u", "p", "1", time.Now())
	shown := until(v, "panel", func(a Answer) bool { return a.Items[0].Text == "3" })
	if shown.ID != 7 || shown.At < first.At {
		t.Errorf("after three rows: got panel %d at %d, want 7 after %d", shown.ID, shown.At, first.At)
	}
	fresh := until(v, "state", func(s state) bool { return s.FreshnessMS != nil })
	if age := *fresh.FreshnessMS; age < 0 || age > patience.Milliseconds() {
		t.Errorf("freshness: got %d ms", age)
	}
	again := s.watch("board=own&range=5m")
	if name, data := again.next(); name != "panel" || !strings.Contains(string(data), `"text":"3"`) {
		t.Errorf("a second viewer first gets %s %s, want the last value at once", name, data)
	}
}

// selects reads the engine's own count of the queries it was asked.
func selects(t *testing.T, engine enginetest.Server) int {
	t.Helper()
	n, err := strconv.Atoi(engine.Query(t, "", "SELECT value FROM system.events WHERE event = 'SelectQuery'"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestViewersShareQueries: fifty viewers cost the engine no more than one, and
// nobody costs nothing.
func TestViewersShareQueries(t *testing.T) {
	engine := enginetest.StartOwn(t, enginetest.Options{})
	s := serveOver(t, engine.Server, grafana.Dashboards(), "")
	s.add(1000, "purchase", "u", "p", "1", time.Now())
	const ticks = 4
	cost := func(viewers int) int {
		var watching sync.WaitGroup
		before := 0
		list := make([]*viewer, viewers)
		for i := range list {
			list[i] = s.watch(fmt.Sprintf("board=%s&range=5m&points=%d", home, 550+i)) // windows of nearly the same width
		}
		until(list[viewers-1], "state", func(state) bool { return true })
		before = selects(t, engine.Server)
		for _, v := range list {
			watching.Add(1)
			go func() {
				defer watching.Done()
				for range ticks {
					until(v, "state", func(state) bool { return true })
				}
				v.close()
			}()
		}
		watching.Wait()
		return selects(t, engine.Server) - before
	}
	one := cost(1)
	fifty := cost(50)
	t.Logf("queries in %d ticks: %d for one viewer, %d for fifty", ticks, one, fifty)
	if one < ticks || fifty > one*3/2 {
		t.Errorf("queries in %d ticks: %d for one viewer, %d for fifty: want about the same", ticks, one, fifty)
	}
	last := -1
	await(t, "silence without viewers", func() error {
		now := selects(t, engine.Server)
		idle := now == last+1 // this question itself
		last = now
		if !idle {
			return fmt.Errorf("%d queries so far", now)
		}
		return nil
	})
}

// TestEngineGone: whether it is killed or hangs, panels and state say so within
// 3 s, and recover by themselves.
func TestEngineGone(t *testing.T) {
	engine := enginetest.StartOwn(t, enginetest.Options{})
	s := serveOver(t, engine.Server, grafana.Dashboards(), own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "stat", "SELECT count() AS events FROM events", ""))}))
	s.add(4, "purchase", "u", "p", "1", time.Now())
	v := s.watch("board=own")
	for name, fault := range map[string]struct{ stop, start func() }{
		"killed": {engine.Kill, func() { engine.Restart(t) }},
		"hung":   {engine.Pause, engine.Resume},
	} {
		until(v, "panel", func(a Answer) bool { return a.Error == nil && a.Items[0].Text == "4" })
		begin := time.Now()
		fault.stop()
		failed := until(v, "panel", func(a Answer) bool { return a.Error != nil })
		took := time.Since(begin)
		down := until(v, "state", func(s state) bool { return !s.Connected })
		if failed.Error.Message == "" || down.Engine == "ok" || down.FreshnessMS != nil {
			t.Errorf("%s: panel says %q, state %+v", name, failed.Error.Message, down)
		}
		t.Logf("%s: after %s: %s", name, took.Round(time.Millisecond), failed.Error.Message)
		if limit := 3 * time.Second * slack; took > limit {
			t.Errorf("%s: the error shows after %s, want 3 s", name, took)
		}
		begin = time.Now()
		polled := read[Answer](s, "/api/boards/own/panels/1")
		if took := time.Since(begin); polled.Error == nil || took > 3*time.Second*slack {
			t.Errorf("%s: polled: got error %v after %s, want one within 3 s", name, polled.Error, took)
		}
		fault.start()
		until(v, "state", func(s state) bool { return s.Connected })
	}
	until(v, "panel", func(a Answer) bool { return a.Error == nil && a.Items[0].Text == "4" })
}

// slack is for machines that do much else.
const slack = 2

// TestSlowPanels: a panel that takes more than 100 ms is computed off the tick, and
// holds up none of the others.
func TestSlowPanels(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "stat", "SELECT sleep(0.3) AS slow", ""), onePanel(2, "stat", "SELECT 1", ""),
	)}))
	v := s.watch("board=own")
	slowOnes, fastOnes := 0, 0
	for fastOnes < 8 {
		a := until(v, "panel", func(a Answer) bool { return true })
		if a.ID == 1 {
			slowOnes++
			if a.TookMS < 300 {
				t.Errorf("the slow panel took %g ms, want at least 300", a.TookMS)
			}
		} else {
			fastOnes++
		}
	}
	if slowOnes < remembered || slowOnes > remembered+2 {
		t.Errorf("in eight ticks the slow panel was computed %d times, want %d to know it: then it rests 20 times as long as it takes", slowOnes, remembered)
	}
}

// TestPace: bars of ten minutes are not computed every second, what they show changes
// with late events only, nor is a figure that asks for a minute; others beside them are.
func TestPace(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "timeseries", "SELECT $__timeInterval_ms(timestamp) AS time, count() AS events FROM events GROUP BY time ORDER BY time", `"interval": "10m"`),
		onePanel(2, "stat", "SELECT 1", ""),
		onePanel(3, "stat", "SELECT 3", `"interval": "1m"`),
	)}))
	v := s.watch("board=own")
	for bars, ones, threes := 0, 0, 0; ones < 4; {
		a := until(v, "panel", func(Answer) bool { return true })
		if a.Error != nil {
			t.Fatal(a.Error)
		}
		if a.ID == 2 {
			ones++
			continue
		}
		if a.ID == 3 {
			if threes++; threes > 1 || a.PaceMS != 60_000 {
				t.Fatalf("the figure of a minute was computed %d times and says %d ms, want once and 60000", threes, a.PaceMS)
			}
			continue
		}
		if bars++; bars > 1 {
			t.Fatalf("the bars were computed %d times while the figure was %d times, want once", bars, ones)
		}
	}
}

// TestPanelsShareAQuery: two panels that show columns of the same SQL cost one query a
// tick, and both know it.
func TestPanelsShareAQuery(t *testing.T) {
	const sql = "SELECT sleep(0.2) AS zero, now64(6) AS moment, generateUUIDv4() AS only"
	show := func(field string) string {
		return fmt.Sprintf(`"options": {"reduceOptions": {"calcs": ["last"], "fields": "/^%s$/"}}`, field)
	}
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "stat", sql, show("only")), onePanel(2, "stat", sql, show("only")), onePanel(3, "stat", sql, show("zero")),
	)}))
	v := s.watch("board=own")
	seen := map[string]map[int]bool{} // panels by the value that the server drew
	until(v, "panel", func(a Answer) bool {
		if a.Error != nil || len(a.Items) != 1 {
			t.Fatalf("panel %d: got %+v, %v", a.ID, a.Items, a.Error)
		}
		if a.ID == 3 {
			if a.Items[0].Text != "0" {
				t.Errorf("another column: got %s, want 0", a.Items[0].Text)
			}
			return false
		}
		text := a.Items[0].Text
		if seen[text] == nil {
			seen[text] = map[int]bool{}
		}
		seen[text][a.ID] = true
		return len(seen[text]) == 2
	})
	if len(seen) > 2 {
		t.Errorf("%d answers until both panels had the same, want them to share the first", len(seen))
	}
}

// TestSlowOnce: what is slow now and then is computed at every tick; what is slow
// always rests.
func TestSlowOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		times []time.Duration // in milliseconds
		want  time.Duration
	}{
		"first":        {[]time.Duration{900}, 1000},
		"once":         {[]time.Duration{20, 900, 20}, 1000},
		"often":        {[]time.Duration{900, 900, 900, 90, 900}, 1000},
		"cold":         {[]time.Duration{900, 900, 200, 300}, 1000},
		"always":       {[]time.Duration{900, 300, 200, 300, 300}, 4000},
		"since":        {[]time.Duration{20, 200, 200, 200, 200, 200}, 4000},
		"not any more": {[]time.Duration{200, 200, 200, 20}, 1000},
	} {
		var e cached
		for _, took := range tc.times {
			e.note(took * time.Millisecond)
		}
		if got := period(time.Second, e.took); got != tc.want*time.Millisecond {
			t.Errorf("%s: computed every %s, want %s", name, got, tc.want*time.Millisecond)
		}
	}
}

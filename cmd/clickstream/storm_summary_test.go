package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// tally is what a storm has done and seen.
type tally struct {
	kills     int
	byName    map[string]int
	inserting int // of the consumers killed: had inserted since their start
	midInsert int // kills of engine or consumer within 10 ms of rows on their way
	pauses    int
	replaced  int // consumers stopped and taken for dead
	held      int // times that the storm held its fire
	recovery  map[string][]time.Duration
	startedAt time.Time
	blewFor   time.Duration
	drainedIn time.Duration
}

func newTally() tally {
	return tally{byName: map[string]int{}, recovery: map[string][]time.Duration{}}
}

func (y *tally) count(name string, inserted bool) {
	y.kills++
	name, _, isConsumer := strings.Cut(name, "-")
	y.byName[name]++
	if isConsumer && inserted {
		y.inserting++
	}
}

func (y *tally) recovered(name string, d time.Duration) {
	y.recovery[name] = append(y.recovery[name], d)
}

// verdict holds the tables against ledger and topic, and sums the storm up.
func (s *storm) verdict() {
	s.t.Helper()
	begin := time.Now()
	a := s.audit()
	resolved := a.checkLedger(s.ledger)
	a.check(s.t)
	s.verify()
	s.summary(a, resolved, time.Since(begin))
	if s.plan.kills > 0 && s.kills < s.plan.kills {
		s.t.Errorf("%d kills in %s, want %d", s.kills, s.blewFor.Round(time.Second), s.plan.kills)
	}
	if consumers := s.byName["consumer"]; 2*s.inserting < consumers {
		s.t.Errorf("%d of %d consumers killed had inserted since their start, want half or more: this storm proves little", s.inserting, consumers)
	}
	// What the project promises is 10 s and 3 s; a shared machine gets twice and more.
	for name, most := range map[string]time.Duration{"consumer": 20 * time.Second, "engine": 15 * time.Second} {
		if got := s.recovery[name]; len(got) > 0 && slices.Max(got) > most {
			s.t.Errorf("recovery of the %s: %s at worst, want at most %s", name, slices.Max(got), most)
		}
	}
}

// verify asks the program itself, which must come to the same end.
func (s *storm) verify() {
	s.t.Helper()
	p := start(s.t, s.env(), "verify")
	if code := p.exit(); code != exitOK {
		s.t.Errorf("clickstream verify: exit code %d, want 0:\n%s", code, p.out)
		return
	}
	s.t.Logf("clickstream verify:\n%s", p.out)
}

func (s *storm) summary(a *audit, resolved int, took time.Duration) {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-32s"+format+"\n", append([]any{name}, args...)...)
	}
	var kills []string
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		kills = append(kills, fmt.Sprintf("%s %d", name, s.byName[name]))
	}
	line("seed", "%d", s.seed)
	line("kills", "%d: %s; besides %d processes stopped and continued, %d consumers stopped, replaced, and continued", s.kills, strings.Join(kills, ", "), s.pauses, s.replaced)
	line("consumers that had inserted", "%d of %d killed", s.inserting, s.byName["consumer"])
	line("kills in mid-insert", "%d of engine or consumer, within 10 ms of rows on their way", s.midInsert)
	line("records acknowledged", "%d of the ledger, %d of unknown outcome (%d are in the topic)", len(s.ledger.acked), len(s.ledger.unknown), resolved)
	line("records in the topic", "%d, %d of them bad", a.records, a.bad)
	line("rows", "%d", a.rows)
	line("dead letters", "%d", a.letters)
	line("lost", "%d", a.lost)
	line("duplicates", "%d", a.duplicated)
	line("other content, unexplained", "%d, %d", a.wrong, a.foreign)
	line("appended twice by the broker", "%d events (two coordinates, a row for each)", a.repeated)
	for _, name := range slices.Sorted(maps.Keys(s.recovery)) {
		d := s.recovery[name]
		slices.Sort(d)
		what := "first new row after it listens"
		if s.services[name] == nil || s.services[name].ready == "" {
			what = "its first row after its start"
		}
		line("recovery: "+name, "median %.1f s, at most %.1f s (%d measured undisturbed; %s)", d[len(d)/2].Seconds(), d[len(d)-1].Seconds(), len(d), what)
	}
	line("longest without a new row", "%.1f s; waited for one before going on %d times", time.Duration(s.longest.Load()).Seconds(), s.held)
	line("time", "%s: storm %s (%.1f s a kill), drain %s, check %s", time.Since(s.began).Round(time.Second), s.blewFor.Round(time.Second),
		s.blewFor.Seconds()/float64(max(1, s.kills)), s.drainedIn.Round(100*time.Millisecond), took.Round(100*time.Millisecond))
	s.t.Logf("%s\n%s", s.t.Name(), b.String())
}

package simulator

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"clickstream/internal/event"
)

// calendarOf lays out the week of a scenario's text.
func calendarOf(t *testing.T, yaml string, rhythm bool, start float64) *calendar {
	t.Helper()
	sc, err := parseScenario("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCalendar(sc, rhythm, start)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCalendarMean: the rate is the mean of a scenario day, whatever the rhythm and
// the time factor; without rhythm a busy second is a second.
func TestCalendarMean(t *testing.T) {
	if c := calendarOf(t, "timeline: [campaign: {every: 1h, for: 10m}]", false, 12_345); !c.flat || c.busy(time.Hour) != time.Hour {
		t.Error("no rhythm: want a busy hour in an hour")
	}
	for _, text := range []string{"", "time_factor: 144", "rhythm: {hours: [0,0,0,0,0,0,0,0,9,9,9,9,9,9,9,9,9,9,0,0,0,0,0,0], days: {sun: 0, sat: 0}}"} {
		c := calendarOf(t, text, true, 7777)
		got := c.busy(time.Duration(10 * float64(week) / c.factor)).Seconds()
		if want := 10 * week.Seconds() / c.factor; math.Abs(got-want) > 1e-6*want {
			t.Errorf("%q: ten weeks have %v busy seconds, want %v", text, got, want)
		}
	}
}

// TestCalendarInverse: passed is the first moment at which busy time is reached.
func TestCalendarInverse(t *testing.T) {
	draws := rand.New(rand.NewPCG(1, 2))
	for _, text := range []string{"", "time_factor: 144", "timeline: [outage: {every: 1h, for: 7m}]"} {
		c := calendarOf(t, text, true, 99_999)
		var last time.Duration
		for range 20_000 {
			busy := time.Duration(draws.Int64N(int64(30 * 24 * time.Hour)))
			at := c.passed(busy)
			if got := c.busy(at); got < busy || got > busy+time.Millisecond {
				t.Fatalf("%q: busy(passed(%s)) is %s", text, busy, got)
			}
			if before := c.busy(at - time.Microsecond); before > busy {
				t.Fatalf("%q: %s was reached before %s", text, busy, at)
			}
		}
		for at := time.Duration(0); at < 100*time.Second; at += 10 * time.Millisecond {
			if now := c.busy(at); now < last {
				t.Fatalf("%q: busy time goes back at %s", text, at)
			} else {
				last = now
			}
		}
	}
}

// TestClosedShop: a scenario that is never open is an error, not a hang.
func TestClosedShop(t *testing.T) {
	sc, err := parseScenario("test.yaml", []byte("timeline: [campaign: {every: 24h, for: 24h, traffic: 0}]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newCalendar(sc, true, 0); err == nil {
		t.Error("got a calendar without any busy second")
	}
	if _, err := newCalendar(sc, false, 0); err != nil {
		t.Errorf("without a rhythm traffic counts for nothing: %v", err)
	}
}

// TestCampaign: for ten minutes a product has exactly ten times its page views; which
// one, if any will do, is another each time.
func TestCampaign(t *testing.T) {
	s := aShop(t, "timeline: [campaign: {every: 1h, at: \"00:20\", for: 10m, product: prod_017, views: 10}]", nil)
	g := newGenerator(s)
	share := zipf(200, 0.8)[slices.Index(g.ranks, 16)]
	var views, of [2]float64
	for n := range 100 * 3600 * 6 {
		e := g.next()
		if e.Type != event.PageView {
			continue
		}
		minute, now := n/6000%60, 0
		if minute >= 20 && minute < 30 {
			now = 1
		}
		of[now]++
		if e.ProductID == "prod_017" {
			views[now]++
		}
	}
	chiSquare(t, "views outside the campaign", []float64{views[0], of[0] - views[0]}, []float64{share, 1 - share})
	chiSquare(t, "views within the campaign", []float64{views[1], of[1] - views[1]}, []float64{10 * share, 1 - 10*share})

	g = newGenerator(aShop(t, "timeline: [campaign: {every: 10m, for: 5m, product: any, views: 50}]", nil))
	drawn := map[string]bool{}
	for range 20 {
		count := map[string]int{}
		for range 100 * 300 {
			count[g.next().ProductID]++
		}
		best := ""
		for id, n := range count {
			if n > count[best] {
				best = id
			}
		}
		drawn[best] = true
		take(g, 100*300)
	}
	if len(drawn) < 15 {
		t.Errorf("20 campaigns were about %d products, want another nearly each time", len(drawn))
	}
}

// TestOutage: nothing leaves while the shop is closed, and what was in a cart then is
// not bought later.
func TestOutage(t *testing.T) {
	s := aShop(t, "timeline: [outage: {every: 1h, at: \"00:30\", for: 10m}]\nfunnel: {add_to_cart: 0.3}", nil)
	g := newGenerator(s)
	for busy := time.Duration(0); busy < 3*time.Hour; busy += 977 * time.Millisecond {
		if minute := s.calendar.passed(busy).Minutes(); math.Mod(minute, 60) > 30 && math.Mod(minute, 60) < 39.99 {
			t.Fatalf("an event is due %v minutes after the start, in the outage", minute)
		}
	}
	take(g, 100*30*60)
	open := g.visitors.open
	added := map[string]int{}
	for _, e := range take(g, 2000) {
		switch e.Type {
		case event.AddToCart:
			added[e.UserID+e.ProductID]++
		case event.Purchase:
			if added[e.UserID+e.ProductID]--; added[e.UserID+e.ProductID] < 0 {
				t.Fatalf("%s bought %s, which was in a cart before the outage", e.UserID, e.ProductID)
			}
		}
	}
	if open < 1500 {
		t.Errorf("%d visits before the outage, want about 2000", open)
	}
}

// TestTimeFactor: with a day in ten minutes the rate stays, and the day's rhythm is
// in the events of ten minutes.
func TestTimeFactor(t *testing.T) {
	c := calendarOf(t, "time_factor: 144", true, 0)
	var hours, want []float64
	for h := range 24 {
		from, to := time.Duration(h)*25*time.Second, time.Duration(h+1)*25*time.Second
		hours = append(hours, 100*(c.busy(to)-c.busy(from)).Seconds())
	}
	day := calendarOf(t, "", true, 0)
	for h := range 24 {
		want = append(want, (day.busy(time.Duration(h+1)*time.Hour) - day.busy(time.Duration(h)*time.Hour)).Seconds())
	}
	chiSquare(t, "events of the hours of a ten-minute day", hours, want)
}

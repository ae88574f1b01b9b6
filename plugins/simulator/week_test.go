package simulator

import (
	"math"
	"strconv"
	"testing"
	"time"

	"clickstream/config"
	"clickstream/internal/event"
)

// The figures of REES46's shop, November 2019: docs/simulator.md names the source.
const (
	realViews, realAdds, realPurchases = 63_556_110, 3_028_930, 916_939
	realSessions                       = 13_776_050
)

// visit is what the week's test knows of a user's visit: users are so many that
// nobody comes twice at a time.
type visit struct {
	last        int64 // the number of the event
	views, adds int32
	bought      bool
	whole       bool // it began after the start
}

// tally is what happened in a week, where it is free of edges: quiet is outside of
// campaigns and the sale.
type tally struct {
	types      [event.RemoveFromCart + 1]float64
	quietViews float64
	quietAdds  float64
	products   map[string]float64 // quiet page views
	lengths    [24]float64        // visits by number of page views, from 1
	visits     float64
	carts      float64
	paid       float64
	begun      [7 * 24]float64 // visits by hour of the week
	events     [7 * 24]float64
	gaps       [10]float64     // between two acts, by tenth of the law
	perTen     map[int]float64 // visits by ten seconds
}

// aWeek lets a week of the default scenario pass, with its rhythm, and tallies it.
func aWeek(t *testing.T, rate int64) (*tally, shop) {
	t.Helper()
	sc, err := parseScenario("config/scenario.yaml", config.Scenario())
	if err != nil {
		t.Fatal(err)
	}
	const users = 1_000_000
	s := shop{scenario: sc, users: users, rate: rate, seed: 20_26}
	if s.calendar, err = newCalendar(sc, true, 0); err != nil {
		t.Fatal(err)
	}
	g := newGenerator(s)
	total := int64(s.calendar.total * float64(rate))
	tl, visits := &tally{products: map[string]float64{}, perTen: map[int]float64{}}, make([]visit, users)
	var at time.Duration
	edges := make([]float64, 9) // of the dwell law's tenths, in events at the mean rate
	for i := range edges {
		edges[i] = weibull(sc.dwellShape, float64(i+1)/10) * sc.dwellScale.Seconds()
	}
	for n := int64(1); n <= total; n++ {
		if n%8 == 1 {
			at = s.calendar.passed(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
		}
		e := g.next()
		user, err := strconv.Atoi(e.UserID[len("user_"):])
		if err != nil {
			t.Fatal(err)
		}
		v := &visits[user-1]
		if v.last == 0 || n-v.last > rate*3600 {
			tl.end(v)
			*v = visit{whole: n > rate*3600}
			tl.begun[int(at.Hours())%168]++
			tl.perTen[int(at/(10*time.Second))]++
		} else if hour := at.Hours(); int(hour)%24 == 14 { // the middle of a day: the shop is evenly busy
			tl.gap(edges, float64(n-v.last)/float64(rate)/sc.busyness(at%week))
		}
		v.last = n
		tl.count(v, e, quiet(at))
		tl.events[int(at.Hours())%168]++
	}
	for i := range visits {
		tl.end(&visits[i])
	}
	return tl, s
}

// quiet reports whether no campaign and no sale of the default scenario is near.
func quiet(at time.Duration) bool {
	minute := int(at.Minutes()) % 60
	friday := at - 4*24*time.Hour
	return minute >= 11 && minute < 59 && (friday < 18*time.Hour || friday > 22*time.Hour)
}

func (tl *tally) count(v *visit, e event.Event, quiet bool) {
	tl.types[e.Type]++
	switch e.Type {
	case event.PageView:
		v.views++
		if quiet {
			tl.quietViews++
			tl.products[e.ProductID]++
		}
	case event.AddToCart:
		v.adds++
		if quiet {
			tl.quietAdds++
		}
	case event.Purchase:
		v.bought = true
	}
}

func (tl *tally) gap(edges []float64, seconds float64) {
	for i, edge := range edges {
		if seconds < edge {
			tl.gaps[i]++
			return
		}
	}
	tl.gaps[len(edges)]++
}

// end tallies a visit that is over.
func (tl *tally) end(v *visit) {
	if !v.whole {
		return
	}
	tl.visits++
	tl.lengths[min(int(v.views), len(tl.lengths))-1]++
	if v.adds > 0 {
		tl.carts++
		if v.bought {
			tl.paid++
		}
	}
}

// chiSquare fails unless counts fit expected shares at the level of one in a
// thousand; the seeds are fixed, so a test that passes does so for ever.
func chiSquare(t *testing.T, what string, got, shares []float64) {
	t.Helper()
	sum, total := 0.0, 0.0
	for i := range got {
		sum += got[i]
		total += shares[i]
	}
	x, worst, at := 0.0, 0.0, 0
	for i, share := range shares {
		want := sum * share / total
		if want < 5 {
			t.Fatalf("%s: cell %d has %.1f expected counts, too few", what, i, want)
		}
		part := (got[i] - want) * (got[i] - want) / want
		if x += part; part > worst {
			worst, at = part, i
		}
	}
	k := float64(len(shares) - 1)
	// Wilson and Hilferty 1931; 3.09 is the normal quantile of 0.999.
	limit := k * math.Pow(1-2/(9*k)+3.09*math.Sqrt(2/(9*k)), 3)
	t.Logf("%s: chi-square %.1f of %.0f degrees (limit %.1f), %.0f counts", what, x, k, limit, sum)
	if x > limit {
		t.Errorf("%s: chi-square %.1f above %.1f; cell %d adds %.1f: got %.0f, want %.0f", what, x, limit, at, worst, got[at], sum*shares[at]/total)
	}
}

func within(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	t.Logf("%s: got %.5g, want %.5g within %g %%", what, got, want, part*100)
	if math.Abs(got-want) > part*want {
		t.Errorf("%s: got %.5g, want %.5g within %g %%", what, got, want, part*100)
	}
}

// TestWeek holds a week of the default scenario, with its rhythm, to the scenario and
// to the shop whose figures it has.
func TestWeek(t *testing.T) {
	const rate = 10
	tl, s := aWeek(t, rate)
	sc := s.scenario

	// Funnel: a page view leads to an addition, and a cart is paid, independently.
	chiSquare(t, "additions of page views", []float64{tl.quietViews - tl.quietAdds, tl.quietAdds}, []float64{1 - sc.addToCart, sc.addToCart})
	chiSquare(t, "carts that are paid", []float64{tl.carts - tl.paid, tl.paid}, []float64{1 - sc.purchase, sc.purchase})
	total := tl.types[event.PageView] + tl.types[event.AddToCart] + tl.types[event.Purchase]
	const realTotal = realViews + realAdds + realPurchases
	within(t, "share of page_view", tl.types[event.PageView]/total, float64(realViews)/realTotal, 0.005)
	within(t, "share of add_to_cart", tl.types[event.AddToCart]/total, float64(realAdds)/realTotal, 0.02)
	within(t, "share of purchase", tl.types[event.Purchase]/total, float64(realPurchases)/realTotal, 0.04)
	if n := tl.types[event.RemoveFromCart]; n > 0 {
		t.Errorf("%v events remove_from_cart, want none", n)
	}

	// Sessions.
	lengths := make([]float64, len(tl.lengths))
	left := 1.0
	for i := range lengths {
		lengths[i] = left / sc.pageViews
		left -= lengths[i]
	}
	lengths[len(lengths)-1] += left
	chiSquare(t, "page views of a session", tl.lengths[:], lengths)
	within(t, "events of a session", total/tl.visits, float64(realTotal)/realSessions, 0.02)
	for i, n := range tl.gaps {
		sum := 0.0
		for _, n := range tl.gaps {
			sum += n
		}
		within(t, "share of dwell times in tenth "+strconv.Itoa(i+1), n/sum, 0.1, 0.12)
	}

	// Popularity, by the ranks that the seed has drawn.
	g := newGenerator(s)
	shares, counts := zipf(sc.products, sc.zipf), make([]float64, sc.products)
	for rank, p := range g.ranks {
		counts[rank] = tl.products[g.catalog[p].id]
	}
	chiSquare(t, "page views by product", counts, shares)

	// Rhythm: an hour's events follow the calendar, and so do the visits that begin.
	hours := make([]float64, len(tl.events))
	for i := range hours {
		hours[i] = s.calendar.upTo(float64(i+1)*3600) - s.calendar.upTo(float64(i)*3600)
	}
	chiSquare(t, "events by hour of the week", tl.events[:], hours)
	chiSquare(t, "visits by hour of the week", tl.begun[:], hours)
	dispersion, windows := 0.0, 0.0
	// At two in the afternoon, for an hour: visits come as by chance. That their events
	// are a fixed number in any second takes away a part of the variance, as it does
	// from a binomial law: one in the number of events of a visit.
	for day := range 7 {
		from := float64(day*24+14) * 3600
		for i := range 360 {
			want := (s.calendar.upTo(from+float64(i+1)*10) - s.calendar.upTo(from+float64(i)*10)) * rate / sc.events()
			got := tl.perTen[int(from)/10+i]
			dispersion += (got - want) * (got - want) / want
			windows++
		}
	}
	within(t, "dispersion of the visits in ten seconds", dispersion/windows, 1-1/sc.events(), 0.12)
	within(t, "busiest hour of Friday against its quietest", tl.events[4*24+13]/tl.events[4*24+5], hours[4*24+13]/hours[4*24+5], 0.01)
}

package simulator

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"clickstream/internal/event"
)

// aShop returns the shop of a scenario's text, with the defaults of the input.
func aShop(t testing.TB, yaml string, change func(*shop)) shop {
	t.Helper()
	sc, err := parseScenario("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	s := shop{scenario: sc, users: 500, rate: 100, seed: 7}
	if change != nil {
		change(&s)
	}
	if s.calendar == nil {
		if s.calendar, err = newCalendar(sc, false, 0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func take(g *generator, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = g.next()
	}
	return events
}

func TestGeneratorRepeats(t *testing.T) {
	with := func(seed, run uint64) []event.Event {
		return take(newGenerator(aShop(t, "", func(s *shop) { s.seed, s.run = seed, run })), 10_000)
	}
	first := with(7, 0)
	if !slices.Equal(with(7, 0), first) {
		t.Error("same seed and run: want the same events")
	}
	otherRun := with(7, 1)
	for i := range otherRun {
		if otherRun[i].ID == first[i].ID {
			t.Fatalf("event %d: another run has the same id", i)
		}
		otherRun[i].ID = first[i].ID
	}
	if !slices.Equal(otherRun, first) {
		t.Error("same seed, another run: want the same events but for their ids")
	}
	if slices.Equal(with(8, 0), first) {
		t.Error("another seed: want other events")
	}
}

// TestUsersShowUp: at the defaults every user is there within twice as many events
// as there are users, and all visit equally often.
func TestUsersShowUp(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		g := newGenerator(aShop(t, "", func(s *shop) { s.seed = seed }))
		users := map[string]int{}
		for _, e := range take(g, 1000) {
			users[e.UserID]++
		}
		if len(users) != 500 {
			t.Errorf("seed %d: %d users in the first 1000 events, want 500", seed, len(users))
		}
		for _, e := range take(g, 499_000) {
			users[e.UserID]++
		}
		counts := slices.Sorted(maps.Values(users))
		if low, high := counts[0], counts[499]; low < 700 || high > 1300 {
			t.Errorf("seed %d: users have %d to %d of 500,000 events, want about 1000", seed, low, high)
		}
	}
}

// TestBehaviour: a user adds only what they look at, takes out and buys only what is
// in the cart, at the price at which they saw it.
func TestBehaviour(t *testing.T) {
	type shopper struct {
		viewed item2
		cart   map[item2]int
	}
	g := newGenerator(aShop(t, `
funnel: {add_to_cart: 0.3, purchase: 0.4, remove_from_cart: 0.2}
timeline: [flash_sale: {every: 1h, for: 5m, discount: 0.5, views: 20, add_to_cart: 2}]
`, func(s *shop) { s.users = 200_000; s.rate = 50 }))
	g.visitors.clear() // who is met in the middle of a visit has a past
	users, prices, types := map[string]*shopper{}, map[string]map[int64]bool{}, map[event.Type]int{}
	for i, e := range take(g, 400_000) {
		types[e.Type]++
		if prices[e.ProductID] == nil {
			prices[e.ProductID] = map[int64]bool{}
		}
		prices[e.ProductID][e.Price] = true
		u := users[e.UserID]
		if u == nil {
			u = &shopper{cart: map[item2]int{}}
			users[e.UserID] = u
		}
		seen := item2{e.ProductID, e.Price}
		switch e.Type {
		case event.PageView:
			u.viewed = seen
		case event.AddToCart:
			if seen != u.viewed {
				t.Fatalf("event %d: added %v while looking at %v", i, seen, u.viewed)
			}
			u.viewed = item2{}
			u.cart[seen]++
		case event.Purchase, event.RemoveFromCart:
			if u.cart[seen] == 0 {
				t.Fatalf("event %d: %s of %v, which is not in the cart", i, e.Type, seen)
			}
			u.cart[seen]--
		default:
			t.Fatalf("event %d: type %d", i, e.Type)
		}
	}
	if len(types) != 4 || len(prices) < 190 {
		t.Errorf("got %d types, %d products", len(types), len(prices))
	}
	onSale := 0
	for id, seen := range prices {
		if len(seen) > 2 {
			t.Errorf("%s has %d prices, want one, and one on sale", id, len(seen))
		}
		if len(seen) == 2 {
			onSale++
		}
	}
	if onSale < 20 {
		t.Errorf("%d products were ever on sale, want 20 an hour", onSale)
	}
}

type item2 struct {
	product string
	cents   int64
}

// TestWarmStart: the first five seconds have the shares of the long run, purchases
// too; a shop that opens empty has none for a while.
func TestWarmStart(t *testing.T) {
	const runs, events = 200, 500
	var early, late [event.RemoveFromCart + 1]float64
	for seed := uint64(1); seed <= runs; seed++ {
		g := newGenerator(aShop(t, "", func(s *shop) { s.seed = seed }))
		for _, e := range take(g, events) {
			early[e.Type]++
		}
		for _, e := range take(g, 3_000) {
			late[e.Type]++
		}
	}
	for kind := event.PageView; kind <= event.Purchase; kind++ {
		got, want := early[kind]/(runs*events), late[kind]/(runs*3_000)
		t.Logf("%s: %.4f at first, %.4f later", kind, got, want)
		if math.Abs(got-want) > 0.15*want {
			t.Errorf("%s: share %.4f of the first events, %.4f of those later", kind, got, want)
		}
	}
}

// TestSessionMemory: what a session takes, the wheel and the user's ids aside from
// the text of the ids, at a million events a second and a million users.
func TestSessionMemory(t *testing.T) {
	for name, rate := range map[string]int64{"20,000 sessions": 1000, "a million events/s": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			s := aShop(t, "", func(s *shop) { s.users, s.rate = 1000, rate })
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			g := newGenerator(s)
			runtime.GC()
			runtime.ReadMemStats(&after)
			each := float64(after.HeapAlloc-before.HeapAlloc) / float64(g.visitors.open)
			t.Logf("%d sessions, %.0f bytes each", g.visitors.open, each)
			if each > 200 || g.visitors.open < 20_000 {
				t.Errorf("got %d sessions of %.0f bytes, want at most 200", g.visitors.open, each)
			}
			runtime.KeepAlive(g)
		})
	}
}

func TestNextID(t *testing.T) {
	seen := map[uuid.UUID]bool{}
	for _, e := range take(newGenerator(aShop(t, "", nil)), 10_000) {
		id := uuid.UUID(e.ID)
		if id.Version() != 4 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("%s: version %d, variant %s", id, id.Version(), id.Variant())
		}
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
	}
}

func TestUserIDs(t *testing.T) {
	for n, want := range map[int][2]string{
		1:         {"user_0001", "user_0001"},
		500:       {"user_0001", "user_0500"},
		9_999:     {"user_0001", "user_9999"},
		10_000:    {"user_00001", "user_10000"},
		1_000_000: {"user_0000001", "user_1000000"},
	} {
		ids := newUserIDs(n)
		if got := [2]string{ids.at(0), ids.at(uint32(n - 1))}; got != want {
			t.Errorf("%d users: got %v, want %v", n, got, want)
		}
	}
}

func TestCatalog(t *testing.T) {
	catalog := newCatalog(42, 200)
	if got, want := catalog[122].id, "prod_123"; got != want {
		t.Errorf("id: got %s, want %s", got, want)
	}
	if !slices.Equal(newCatalog(42, 200), catalog) || slices.Equal(newCatalog(43, 200), catalog) {
		t.Error("want a catalogue that follows from the seed")
	}
}

// BenchmarkGenerator: events of the default scenario on one core, alone and with
// their JSON in batches; no Kafka and no Benthos. docs/benchmarks.md quotes it.
func BenchmarkGenerator(b *testing.B) {
	sc, err := readScenario("")
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []struct {
		users int
		rate  int64
	}{{500, 100}, {maxUsers, 1_000_000}} {
		s := shop{scenario: sc, users: size.users, rate: size.rate, seed: 1}
		if s.calendar, err = newCalendar(sc, false, 0); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("alone/users=%d", size.users), func(b *testing.B) {
			g := newGenerator(s)
			b.ReportAllocs()
			for b.Loop() {
				g.next()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
		b.Run(fmt.Sprintf("json/users=%d", size.users), func(b *testing.B) {
			m := maker{generator: newGenerator(s)}
			wall := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += maxBatch {
				m.batch(maxBatch, wall, tick)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

package simulator

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"clickstream/internal/event"
)

func take(g *generator, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = g.next()
	}
	return events
}

func TestGeneratorRepeats(t *testing.T) {
	first := take(newGenerator(500, 7, 0), 10_000)
	if !slices.Equal(take(newGenerator(500, 7, 0), 10_000), first) {
		t.Error("same seed and run: want the same events")
	}
	otherRun := take(newGenerator(500, 7, 1), 10_000)
	for i := range otherRun {
		if otherRun[i].ID == first[i].ID {
			t.Fatalf("event %d: another run has the same id", i)
		}
		otherRun[i].ID = first[i].ID
	}
	if !slices.Equal(otherRun, first) {
		t.Error("same seed, another run: want the same events but for their ids")
	}
	if slices.Equal(take(newGenerator(500, 8, 0), 10_000), first) {
		t.Error("another seed: want other events")
	}
}

// TestRounds: every user acts once in each round, whatever the seed, in ever
// another order. So 500 users are there after 500 events, 5 s at the defaults.
func TestRounds(t *testing.T) {
	for _, users := range []int{1, 2, 500, 12_345} {
		g := newGenerator(users, 3, 0)
		var before []string
		for round := range 4 {
			var order []string
			for _, e := range take(g, users) {
				order = append(order, e.UserID)
			}
			if users > 2 && slices.Equal(order, before) {
				t.Errorf("%d users, round %d: same order as before", users, round)
			}
			before = slices.Clone(order)
			slices.Sort(order)
			if got := len(slices.Compact(order)); got != users {
				t.Errorf("round %d: got %d users, want %d", round, got, users)
			}
		}
	}
}

// TestBehaviour: a user adds only what is on the screen, and buys only what is in
// the cart, at the one price a product has.
func TestBehaviour(t *testing.T) {
	type shopper struct {
		viewed string
		cart   map[string]int
	}
	users, prices := map[string]*shopper{}, map[string]int64{}
	for i, e := range take(newGenerator(50, 11, 0), 200_000) {
		if price, seen := prices[e.ProductID]; seen && price != e.Price || e.Price < 300 || e.Price > 10_000 {
			t.Fatalf("event %d: price of %s is %d, was %d", i, e.ProductID, e.Price, price)
		}
		prices[e.ProductID] = e.Price
		u := users[e.UserID]
		if u == nil {
			u = &shopper{cart: map[string]int{}}
			users[e.UserID] = u
		}
		switch e.Type {
		case event.PageView:
			u.viewed = e.ProductID
		case event.AddToCart:
			if e.ProductID != u.viewed {
				t.Fatalf("event %d: added %s while looking at %q", i, e.ProductID, u.viewed)
			}
			u.viewed = ""
			u.cart[e.ProductID]++
		case event.Purchase:
			if u.cart[e.ProductID] == 0 {
				t.Fatalf("event %d: bought %s, which is not in the cart", i, e.ProductID)
			}
			u.cart[e.ProductID]--
		default:
			t.Fatalf("event %d: type %d", i, e.Type)
		}
	}
	if len(prices) < products*9/10 {
		t.Errorf("products seen: got %d, want nearly all of %d", len(prices), products)
	}
}

// TestShares: the proportions are those of the shop that addOdds and its
// neighbours name.
func TestShares(t *testing.T) {
	const views, adds, purchases = 63_556_110, 3_028_930, 916_939
	const total = views + adds + purchases
	var got [event.RemoveFromCart + 1]float64
	const n = 2_000_000
	for _, e := range take(newGenerator(500, 5, 0), n) {
		got[e.Type]++
	}
	for kind, want := range map[event.Type]float64{
		event.PageView: views, event.AddToCart: adds, event.Purchase: purchases,
	} {
		share, want := got[kind]/n, want/total
		t.Logf("%s: %.4f, real shop %.4f", kind, share, want)
		if math.Abs(share-want) > 0.02*want {
			t.Errorf("%s: got a share of %.4f, want %.4f within 2 %%", kind, share, want)
		}
	}
}

func TestNextID(t *testing.T) {
	seen := map[uuid.UUID]bool{}
	for _, e := range take(newGenerator(10, 1, 0), 10_000) {
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
	catalog := newCatalog(42)
	if got, want := catalog[122].id, "prod_123"; got != want {
		t.Errorf("id: got %s, want %s", got, want)
	}
	if !slices.Equal(newCatalog(42), catalog) || slices.Equal(newCatalog(43), catalog) {
		t.Error("want a catalogue that follows from the seed")
	}
}

// BenchmarkGenerator: events with their JSON, in batches, on one core; no Kafka and
// no Benthos. docs/benchmarks.md quotes it.
func BenchmarkGenerator(b *testing.B) {
	for _, users := range []int{500, maxUsers} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			g := newGenerator(users, 1, 0)
			wall := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += maxBatch {
				newBatch(g, maxBatch, wall, tick)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

package grafana

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"clickstream/internal/page"
)

const minute = time.Minute

// byType and funnel are the columns of pairs of panels that share a query.
const (
	byType = "page_view\tadd_to_cart\tpurchase\tremove_from_cart\ttotal\n"
	funnel = "viewed\tadded to cart\tbought\tconversion\n"
)

// afternoon is a shop whose panels can be worked out by hand.
func afternoon(t *testing.T) shop {
	s := newShop(t)
	s.store(t,
		visit{user: "a", kind: "page_view", product: "p1", at: -4 * minute},
		visit{user: "a", kind: "add_to_cart", product: "p1", price: "29.99", at: -3 * minute},
		visit{user: "a", kind: "purchase", product: "p1", price: "29.99", at: -2 * minute},
		visit{user: "b", kind: "page_view", product: "p1", at: -4 * minute},
		visit{user: "b", kind: "add_to_cart", product: "p1", price: "29.99", at: -3 * minute}, // too fresh to be abandoned
		visit{user: "c", kind: "add_to_cart", product: "p3", price: "10.01", at: -4 * minute}, // before the view: no funnel
		visit{user: "c", kind: "page_view", product: "p3", at: -3 * minute},
		visit{user: "c", kind: "purchase", product: "p3", price: "10.01", at: -2 * minute},
		visit{user: "d", kind: "page_view", product: "p1", at: -20 * minute}, // before the five minutes
		visit{user: "d", kind: "add_to_cart", product: "p1", price: "50", at: -14 * minute},
		visit{user: "d", kind: "purchase", product: "p1", price: "50", at: -13 * minute},
		visit{user: "e", kind: "purchase", product: "p2", price: "100", at: -10 * minute},
		visit{user: "f", kind: "add_to_cart", product: "p1", price: "1000", at: -30 * minute},
		visit{user: "g", kind: "purchase", product: "p2", price: "5", at: -40 * minute},
		visit{user: "g", kind: "add_to_cart", product: "p2", price: "5", at: -30 * minute}, // after the purchase
		visit{user: "h", kind: "add_to_cart", product: "p1", price: "20", at: -30 * minute},
		visit{user: "h", kind: "purchase", product: "p1", price: "20", at: -20 * minute},
		visit{user: "i", kind: "add_to_cart", product: "p1", price: "20", at: -61 * minute}, // longer ago than carts are looked at
		visit{user: "j", kind: "add_to_cart", product: "p1", price: "20", at: -5 * minute},
		visit{user: "k", kind: "page_view", product: "p2", at: -2 * minute},
		visit{user: "k", kind: "page_view", product: "p2", at: time.Second}, // the future
	)
	return s
}

// TestShopStats: purchases only, by the time of the event; people and the order of what
// they did, not events.
func TestShopStats(t *testing.T) {
	afternoon(t).check(t, "afternoon",
		answer{"Revenue, last 5 minutes", 5 * minute, time.Second, "revenue\n40\n"},
		answer{"Revenue, last 5 minutes", 24 * time.Hour, time.Second, "revenue\n40\n"},
		answer{"Average order value", 5 * minute, time.Second, "average\n20\n"},
		answer{"Average order value", 15 * minute, time.Second, "average\n47.5\n"},
		answer{"Average order value", time.Hour, time.Second, "average\n35.833333333333336\n"},
		answer{"Active users, last 5 minutes", 15 * minute, time.Second, "users\n4\n"},
		answer{"Conversion", 15 * minute, time.Second, funnel + "4\t2\t1\t0.25\n"},
		answer{"Conversion", 24 * time.Hour, time.Second, funnel + "4\t2\t1\t0.25\n"},
		answer{"Conversion", 210 * time.Second, time.Second, funnel + "2\t0\t0\t0\n"}, // c and k viewed, nobody put anything in after
		answer{"Conversion funnel", 15 * minute, time.Second, funnel + "4\t2\t1\t0.25\n"},
		answer{"Abandoned carts", 5 * minute, time.Second, "abandoned\n3\n"}, // f g j
		answer{"Abandoned carts", 24 * time.Hour, time.Second, "abandoned\n3\n"},
		answer{"Events", 15 * minute, time.Second, byType + "4\t5\t4\t0\t13\n"},
		answer{"Events", time.Hour, time.Second, byType + "5\t8\t6\t0\t19\n"},
		answer{"Events", 24 * time.Hour, time.Second, byType + "5\t9\t6\t0\t20\n"},
		answer{"Events by type", 15 * minute, time.Second, byType + "4\t5\t4\t0\t13\n"},
		answer{"Top products", 15 * minute, time.Second, "product\tsold\trevenue\np2\t1\t100\np1\t2\t79.99\np3\t1\t10.01\n"},
		answer{"Top products", time.Hour, time.Second, "product\tsold\trevenue\np2\t2\t105\np1\t3\t99.99\np3\t1\t10.01\n"},
	)
}

// TestFunnelOrder: a step counts if it is later than the one before it, or of the same
// millisecond, whatever else its user did.
func TestFunnelOrder(t *testing.T) {
	s := newShop(t)
	const again = 90 * time.Second
	s.store(t,
		visit{user: "a", kind: "add_to_cart", at: -4 * minute},
		visit{user: "a", kind: "page_view", at: -3 * minute},
		visit{user: "a", kind: "purchase", at: -2 * minute}, // between two additions, of which the first comes before the view
		visit{user: "a", kind: "add_to_cart", at: -again},
		visit{user: "b", kind: "page_view", at: -4 * minute},
		visit{user: "b", kind: "add_to_cart", at: -3 * minute},
		visit{user: "b", kind: "purchase", at: -2 * minute},
		visit{user: "b", kind: "page_view", at: -again}, // the first view counts
		visit{user: "b", kind: "add_to_cart", at: -minute},
		visit{user: "c", kind: "page_view", at: -minute},
		visit{user: "c", kind: "add_to_cart", at: -minute},
		visit{user: "c", kind: "purchase", at: -minute},
		visit{user: "d", kind: "page_view", at: -minute},
		visit{user: "d", kind: "purchase", at: -time.Second}, // without a cart
		visit{user: "e", kind: "purchase", at: -2 * minute},
		visit{user: "e", kind: "add_to_cart", at: -minute},
	)
	s.check(t, "order", answer{"Conversion funnel", 15 * minute, time.Second, funnel + "4\t3\t2\t0.5\n"})
}

// TestShopVariables: a choice narrows every panel that names it, and a hostile one
// finds nothing.
func TestShopVariables(t *testing.T) {
	s := afternoon(t)
	for name, tc := range map[string]struct {
		title     string
		variables map[string][]string
		want      string
	}{
		"one type":          {"Events", map[string][]string{"type": {"purchase"}}, byType + "0\t0\t4\t0\t4\n"},
		"two types":         {"Events", map[string][]string{"type": {"purchase", "page_view"}}, byType + "4\t0\t4\t0\t8\n"},
		"one product":       {"Events", map[string][]string{"product": {"p1"}}, byType + "2\t4\t2\t0\t8\n"},
		"product and type":  {"Events", map[string][]string{"product": {"p1"}, "type": {"purchase"}}, byType + "0\t0\t2\t0\t2\n"},
		"all":               {"Events", map[string][]string{"product": {"$__all"}, "type": {"$__all"}}, byType + "4\t5\t4\t0\t13\n"},
		"types of products": {"Events by type", map[string][]string{"product": {"p2", "p3"}}, byType + "2\t1\t2\t0\t5\n"},
		"revenue":           {"Revenue, last 5 minutes", map[string][]string{"product": {"p3"}}, "revenue\n10.01\n"},
		"order value":       {"Average order value", map[string][]string{"product": {"p1"}}, "average\n39.995\n"},
		"active users":      {"Active users, last 5 minutes", map[string][]string{"product": {"p2"}}, "users\n1\n"},
		"top products":      {"Top products", map[string][]string{"product": {"p1"}}, "product\tsold\trevenue\np1\t2\t79.99\n"},
		"quotes":            {"Events", map[string][]string{"product": {"p1') OR ('1'='1"}}, byType},
		"unknown product":   {"Events by type", map[string][]string{"product": {"p9"}}, byType},
	} {
		q := page.Query{From: now.Add(-15 * minute), To: now, Interval: time.Second, Variables: tc.variables}
		if got := s.run(t, tc.title, q); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

// TestShopOfNobody: without a row, and with a single one, each panel says something that
// is true.
func TestShopOfNobody(t *testing.T) {
	s := newShop(t)
	s.check(t, "empty",
		answer{"Revenue, last 5 minutes", 15 * minute, time.Second, "revenue\n0\n"},
		answer{"Average order value", 15 * minute, time.Second, "average\n\\N\n"},
		answer{"Active users, last 5 minutes", 15 * minute, time.Second, "users\n0\n"},
		answer{"Conversion", 15 * minute, time.Second, funnel},
		answer{"Conversion funnel", 15 * minute, time.Second, funnel},
		answer{"Abandoned carts", 15 * minute, time.Second, "abandoned\n0\n"},
		answer{"Events", 15 * minute, time.Second, byType},
		answer{"Events by type", 15 * minute, time.Second, byType},
		answer{"Top products", 15 * minute, time.Second, "product\tsold\trevenue\n"},
	)
	s.store(t, visit{user: "a", kind: "purchase", product: "p", price: "0.01", at: -minute})
	s.check(t, "one row",
		answer{"Revenue, last 5 minutes", 15 * minute, time.Second, "revenue\n0.01\n"},
		answer{"Average order value", 15 * minute, time.Second, "average\n0.01\n"},
		answer{"Active users, last 5 minutes", 15 * minute, time.Second, "users\n1\n"},
		answer{"Conversion", 15 * minute, time.Second, funnel + "0\t0\t0\t\\N\n"},
		answer{"Conversion funnel", 15 * minute, time.Second, funnel + "0\t0\t0\t\\N\n"},
		answer{"Events", 15 * minute, time.Second, byType + "0\t0\t1\t0\t1\n"},
		answer{"Events by type", 15 * minute, time.Second, byType + "0\t0\t1\t0\t1\n"},
		answer{"Top products", 15 * minute, time.Second, "product\tsold\trevenue\np\t1\t0.01\n"},
	)
}

// TestEventsPerSecond: whole buckets only, a rate per second whatever the bucket's
// width, zero where nothing happened since the first, and neither the open bucket nor the last
// second.
func TestEventsPerSecond(t *testing.T) {
	s := newShop(t)
	s.store(t,
		visit{n: 9, kind: "page_view", at: -11 * time.Second}, // before the first bucket
		visit{n: 6, kind: "page_view", at: -5 * time.Second},
		visit{n: 2, kind: "purchase", at: -5 * time.Second},
		visit{n: 4, kind: "add_to_cart", at: -2 * time.Second},
		visit{n: 7, kind: "page_view", at: -300 * time.Millisecond}, // open
	)
	const head = "time\tpage_view\tadd_to_cart\tpurchase\tremove_from_cart\n"
	s.check(t, "buckets",
		answer{"Events per second", 6 * time.Second, time.Second, head +
			"today 14:30:05.000\t6\t0\t2\t0\n" +
			"today 14:30:06.000\t0\t0\t0\t0\n" +
			"today 14:30:07.000\t0\t0\t0\t0\n" +
			"today 14:30:08.000\t0\t4\t0\t0\n"},
		answer{"Events per second", 15 * time.Second, 5 * time.Second, head +
			"today 14:29:55.000\t1.8\t0\t0\t0\n" +
			"today 14:30:00.000\t0\t0\t0\t0\n"},
	)
}

// TestZoom: at every range that people choose, a rate is a rate and nothing is lost.
func TestZoom(t *testing.T) {
	s := newShop(t)
	s.store(t, visit{n: 2400, kind: "page_view", at: -4 * minute}, visit{n: 4, kind: "purchase", price: "150", at: -4 * minute})
	for _, tc := range []struct {
		span  time.Duration
		views string // a second, in the bucket of the visit
		money string // a minute
	}{
		{5 * minute, "2400", "600"},
		{15 * minute, "1200", "600"},
		{time.Hour, "480", "600"},
		{6 * time.Hour, "80", "300"},
		{24 * time.Hour, "20", "120"},
	} {
		from := now.Add(-tc.span)
		q := page.Query{From: from, To: now, Interval: page.Interval(from, now, 600, time.Second)}
		if got := highest(t, s.run(t, "Events per second", q)); got != tc.views {
			t.Errorf("events per second over %s by %s: got %s at most, want %s", tc.span, q.Interval, got, tc.views)
		}
		q.Interval = page.Interval(from, now, 200, minute)
		if got := highest(t, s.run(t, "Revenue per minute", q)); got != tc.money {
			t.Errorf("revenue per minute over %s by %s: got %s at most, want %s", tc.span, q.Interval, got, tc.money)
		}
	}
}

// highest is the largest value of a time series' first column of numbers.
func highest(t *testing.T, tsv string) string {
	t.Helper()
	best := 0.0
	for _, row := range strings.Split(strings.TrimSpace(tsv), "\n")[1:] {
		v, err := strconv.ParseFloat(strings.Split(row, "\t")[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		best = max(best, v)
	}
	return fmt.Sprint(best)
}

// TestMidnight: a minute before it and a minute after are two buckets of two days.
func TestMidnight(t *testing.T) {
	s := newShop(t)
	midnight := now.Truncate(24 * time.Hour)
	s.store(t,
		visit{kind: "purchase", price: "12.50", user: "a", product: "p", at: midnight.Sub(now) - 100*time.Millisecond},
		visit{kind: "purchase", price: "7.25", user: "a", product: "p", at: midnight.Sub(now)},
	)
	q := page.Query{From: midnight.Add(-2 * minute), To: midnight.Add(90 * time.Second), Interval: minute}
	want := "time\trevenue\nthe day before 23:59:00.000\t12.5\ntoday 00:00:00.000\t7.25\n"
	if got := s.run(t, "Revenue per minute", q); got != want {
		t.Errorf("revenue around midnight\n got %s\nwant %s", got, want)
	}
	if got, want := s.run(t, "Events", q), byType+"0\t0\t2\t0\t2\n"; got != want {
		t.Errorf("events around midnight\n got %s\nwant %s", got, want)
	}
}

// TestSentAgain: whatever a client sends twice is two rows, and counts once.
func TestSentAgain(t *testing.T) {
	s := newShop(t)
	buy := visit{user: "a", kind: "purchase", product: "p1", price: "20", at: -2 * minute, id: 1, received: -2 * minute, offset: 1, stored: -minute}
	again, changed := buy, buy
	again.offset, again.received, again.stored = 2, -minute, -30*time.Second
	changed.offset, changed.received, changed.stored, changed.price = 3, -50*time.Second, -20*time.Second, "99" // same id, other content: the first counts
	s.store(t, again, changed, buy,
		visit{user: "b", kind: "page_view", product: "p1", at: -2 * minute, id: 2, offset: 4, stored: -40 * time.Second},
		visit{user: "b", kind: "page_view", product: "p1", at: -2 * minute, id: 2, offset: 5, stored: -2 * time.Second},
	)
	if got := s.server.Query(t, s.database, "SELECT count() FROM events"); got != "5" {
		t.Fatalf("rows: got %s, want 5", got)
	}
	once := []answer{
		{"Revenue, last 5 minutes", 15 * minute, time.Second, "revenue\n20\n"},
		{"Average order value", 15 * minute, time.Second, "average\n20\n"},
		{"Top products", 15 * minute, time.Second, "product\tsold\trevenue\np1\t1\t20\n"},
		{"Active users, last 5 minutes", 15 * minute, time.Second, "users\n2\n"},
	}
	s.check(t, "at once", once...)
	s.refresh(t, "find_repeated")
	counts := append(once,
		answer{"Events", 15 * minute, time.Second, byType + "1\t0\t1\t0\t2\n"},
		answer{"Events by type", 15 * minute, time.Second, byType + "1\t0\t1\t0\t2\n"},
	)
	s.check(t, "once found", counts...)
	s.refresh(t, "find_repeated")
	s.refresh(t, "count_events")
	s.check(t, "found and counted twice", counts...)
	q := page.Query{From: now.Add(-15 * minute), To: now, Interval: 2 * time.Second, Variables: map[string][]string{"product": {"p1"}}}
	if got, want := s.run(t, "Events", q), byType+"1\t0\t1\t0\t2\n"; got != want {
		t.Errorf("of one product\n got %s\nwant %s", got, want)
	}
	wall := page.Query{From: time.Now().Add(-15 * minute), To: time.Now().Add(time.Second), Interval: time.Second}
	if got, want := s.run(t, "Sent again", wall), "repeated\n3\n"; got != want {
		t.Errorf("sent again\n got %s\nwant %s", got, want)
	}
}

// TestCounting: what the refreshed count holds, what came since, and late events add up,
// however often it is refreshed.
func TestCounting(t *testing.T) {
	s := newShop(t)
	s.store(t,
		visit{n: 30, kind: "page_view", at: -3 * minute, stored: -3 * minute},
		visit{n: 5, kind: "purchase", at: -3 * minute, stored: -90 * time.Second},
		visit{n: 2, kind: "page_view", at: -3 * minute}, // in the slice still open
	)
	want := byType + "32\t0\t5\t0\t37\n"
	s.check(t, "before", answer{"Events by type", 15 * minute, time.Second, want})
	for range 3 {
		s.refresh(t, "count_events")
		s.check(t, "counted", answer{"Events by type", 15 * minute, time.Second, want})
	}
	if got := s.server.Query(t, s.database, "SELECT sum(events) >= 35 FROM events_counted FINAL"); got != "1" {
		t.Errorf("counted rows: want the 35 that were stored a minute ago, and more")
	}
	s.store(t, visit{n: 4, kind: "page_view", at: -10 * minute}) // late
	want = byType + "36\t0\t5\t0\t41\n"
	s.check(t, "late", answer{"Events by type", 15 * minute, time.Second, want})
	s.refresh(t, "count_events")
	s.check(t, "late, counted", answer{"Events by type", 15 * minute, time.Second, want})
}

package grafana

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/page"
	"clickstream/internal/schema"
)

// dashboard is the part of Grafana's JSON that these tests look at.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Editable      bool    `json:"editable"`
	Refresh       string  `json:"refresh"`
	Panels        []panel `json:"panels"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Datasource datasource `json:"datasource"`
	GridPos    struct{ H, W, X, Y int }
	Targets    []target `json:"targets"`
}

type target struct {
	Datasource datasource `json:"datasource"`
	Format     int        `json:"format"`
	RawSQL     string     `json:"rawSql"`
}

type datasource struct{ Type, UID string }

// timeSeries is the format of a target whose rows are points in time.
const timeSeries = 0

// load reads every dashboard, by file name.
func load(t *testing.T) map[string]dashboard {
	t.Helper()
	names, err := fs.Glob(Dashboards(), "*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("dashboards: %v, %v", names, err)
	}
	all := map[string]dashboard{}
	for _, name := range names {
		raw, err := fs.ReadFile(Dashboards(), name)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = d
	}
	return all
}

// allowed are the macros that both Grafana and the page without it expand alike
// and that do not hide the newest second of a DateTime64.
var allowed = []string{
	"$__timeFilter_ms", "$__timeInterval_ms", "$__interval_s", "$__interval_ms", "$__fromTime_ms", "$__toTime_ms", "$__conditionalAll",
}

func TestDashboardsAreSound(t *testing.T) {
	var source struct {
		Datasources []datasource
	}
	read(t, "provisioning/datasources/clickhouse.yaml", &source)
	want := source.Datasources[0]
	uids := map[string]bool{}
	for name, d := range load(t) {
		if d.UID == "" || uids[d.UID] {
			t.Errorf("%s: uid: got %q, want one of its own", name, d.UID)
		}
		uids[d.UID] = true
		if d.Editable || d.Refresh != "1s" || d.SchemaVersion != 41 {
			t.Errorf("%s: editable, refresh, schemaVersion: got %t %q %d, want false 1s 41", name, d.Editable, d.Refresh, d.SchemaVersion)
		}
		for _, p := range d.Panels {
			if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W < 1 || p.GridPos.H < 1 {
				t.Errorf("%s, %q: lies outside the grid of 24 columns: %+v", name, p.Title, p.GridPos)
			}
			for _, g := range p.Targets {
				if g.Datasource != want || p.Datasource != want {
					t.Errorf("%s, %q: data source: got %+v, want %+v", name, p.Title, g.Datasource, want)
				}
				for _, m := range regexp.MustCompile(`\$__\w+`).FindAllString(g.RawSQL, -1) {
					if !slices.Contains(allowed, m) {
						t.Errorf("%s, %q: macro %s: want one of %s", name, p.Title, m, strings.Join(allowed, " "))
					}
				}
			}
		}
	}
}

// read decodes a YAML file.
func read(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// shop is a database with the tables of this project and these events.
type shop struct {
	server   enginetest.Server
	database string
}

// now is the end of the tests' time range, in the middle of a second.
var now = time.Date(2026, 1, 15, 14, 30, 10, 400_000_000, time.UTC)

func newShop(t *testing.T) shop {
	t.Helper()
	s := shop{server: enginetest.Start(t)}
	s.database = s.server.Database(t)
	conn := s.server.Conn(t, "")
	if _, err := schema.Apply(t.Context(), conn, schema.Options{Database: s.database}); err != nil {
		t.Fatal(err)
	}
	return s
}

// add stores n events of one type and price, at now plus offset.
func (s shop) add(t *testing.T, n int, kind string, offset time.Duration, price string) {
	t.Helper()
	at := now.Add(offset).UnixMilli()
	s.server.Query(t, s.database, fmt.Sprintf(`INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset)
		SELECT generateUUIDv4(), '%s', 'user', 'product', %s, fromUnixTimestamp64Milli(%d, 'UTC') AS at, at, 0, 0, number FROM numbers(%d)`, kind, price, at, n))
}

// show runs a panel's SQL as Grafana would, for the range that ends now.
func (s shop) show(t *testing.T, title string, span, interval time.Duration) string {
	t.Helper()
	for _, d := range load(t) {
		for _, p := range d.Panels {
			if p.Title != title {
				continue
			}
			sql, err := page.Expand(p.Targets[0].RawSQL, page.Query{From: now.Add(-span), To: now, Interval: interval})
			if err != nil {
				t.Fatal(err)
			}
			return s.server.Query(t, s.database, sql+" FORMAT TSVWithNames") + "\n"
		}
	}
	t.Fatalf("no panel is called %q", title)
	return ""
}

// TestEventsPerSecond: whole buckets only, a rate per second whatever the bucket's
// width, zero where nothing happened, and neither the open bucket nor the last
// second.
func TestEventsPerSecond(t *testing.T) {
	s := newShop(t)
	s.add(t, 9, "page_view", -11*time.Second, "0") // before the first bucket
	s.add(t, 6, "page_view", -5*time.Second, "0")
	s.add(t, 2, "purchase", -5*time.Second, "1")
	s.add(t, 4, "add_to_cart", -2*time.Second, "1")
	s.add(t, 7, "page_view", -300*time.Millisecond, "0") // open

	const head = "time\tpage_view\tadd_to_cart\tpurchase\tremove_from_cart\n"
	got := s.show(t, "Events per second", 6*time.Second, time.Second)
	want := head +
		"2026-01-15 14:30:04.000\t0\t0\t0\t0\n" +
		"2026-01-15 14:30:05.000\t6\t0\t2\t0\n" +
		"2026-01-15 14:30:06.000\t0\t0\t0\t0\n" +
		"2026-01-15 14:30:07.000\t0\t0\t0\t0\n" +
		"2026-01-15 14:30:08.000\t0\t4\t0\t0\n"
	if got != want {
		t.Errorf("buckets of 1 s\n got %s\nwant %s", got, want)
	}
	got = s.show(t, "Events per second", 15*time.Second, 5*time.Second)
	want = head +
		"2026-01-15 14:29:55.000\t1.8\t0\t0\t0\n" +
		"2026-01-15 14:30:00.000\t0\t0\t0\t0\n"
	if got != want {
		t.Errorf("buckets of 5 s\n got %s\nwant %s", got, want)
	}
}

func TestEventsByType(t *testing.T) {
	s := newShop(t)
	s.add(t, 3, "page_view", -time.Minute, "0")
	s.add(t, 5, "purchase", -time.Minute, "1")
	s.add(t, 1, "remove_from_cart", 0, "1")
	s.add(t, 8, "page_view", -10*time.Minute, "0") // before the range
	s.add(t, 8, "page_view", time.Millisecond, "0")

	got, want := s.show(t, "Events by type", 5*time.Minute, time.Second), "type\tevents\npurchase\t5\npage_view\t3\nremove_from_cart\t1\n"
	if got != want {
		t.Errorf("events by type\n got %s\nwant %s", got, want)
	}
}

// TestRevenue: purchases only, five minutes whatever the range, exact to the cent.
func TestRevenue(t *testing.T) {
	s := newShop(t)
	if got, want := s.show(t, "Revenue, last 5 minutes", time.Hour, time.Second), "revenue\n0\n"; got != want {
		t.Errorf("revenue without a purchase\n got %s\nwant %s", got, want)
	}
	s.add(t, 10, "purchase", -time.Minute, "'29.99'")
	s.add(t, 1, "purchase", -5*time.Minute+time.Millisecond, "'0.01'")
	s.add(t, 1, "purchase", -5*time.Minute, "'1000'")
	s.add(t, 1, "purchase", time.Millisecond, "'1000'")
	s.add(t, 1, "add_to_cart", -time.Minute, "'1000'")
	for _, span := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour} {
		if got, want := s.show(t, "Revenue, last 5 minutes", span, time.Second), "revenue\n299.91\n"; got != want {
			t.Errorf("revenue in a range of %s\n got %s\nwant %s", span, got, want)
		}
	}
}

// TestEveryPanelRuns runs each panel on empty tables: whatever is added later runs
// on the real engine, and a time series comes in the order of time.
func TestEveryPanelRuns(t *testing.T) {
	s := newShop(t)
	for name, d := range load(t) {
		for _, p := range d.Panels {
			for _, g := range p.Targets {
				got := s.show(t, p.Title, 5*time.Minute, time.Second)
				if head, _, _ := strings.Cut(got, "\n"); g.Format == timeSeries && !strings.HasPrefix(head, "time\t") {
					t.Errorf("%s, %q: first column of a time series: got %q, want time", name, p.Title, head)
				}
				if g.Format == timeSeries && !strings.Contains(g.RawSQL, "ORDER BY time") {
					t.Errorf("%s, %q: a time series must say ORDER BY time", name, p.Title)
				}
			}
		}
	}
}

package grafana

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/page"
	"clickstream/internal/schema"
)

// now is the end of the tests' time range, in the middle of a second of yesterday: some
// tables forget what is older than a week.
var now = time.Now().UTC().Truncate(24 * time.Hour).Add(-24*time.Hour + 14*time.Hour + 30*time.Minute + 10400*time.Millisecond)

// days puts words in the place of dates.
var days = strings.NewReplacer(now.Format(time.DateOnly), "today", now.AddDate(0, 0, -1).Format(time.DateOnly), "the day before")

// shop is a database with the tables of this project.
type shop struct {
	server   enginetest.Server
	database string
}

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

// visit is n events that differ in their ids only.
type visit struct {
	n             int
	user, kind    string
	product       string
	price         string
	at            time.Duration // after now
	id            int           // of all n; 0: each has an id of its own
	stored        time.Duration // after the engine's clock
	partition     int
	offset        int
	received      time.Duration // after now
	ofKafka       bool          // has a coordinate that the fence guards
	delay         time.Duration // unless 0: from the event until it was stored; replaces at
	insertedAfter string        // fixes inserted_at to now plus this interval
}

// store inserts visits as one block: what is stored when is a visit's own affair.
func (s shop) store(t *testing.T, visits ...visit) {
	t.Helper()
	var selects []string
	for _, v := range visits {
		id, stream, owner := "generateUUIDv4()", 0, 0
		if v.id != 0 {
			id = fmt.Sprintf("toUUID('00000000-0000-0000-0000-%012d')", v.id)
		}
		if v.ofKafka {
			stream, owner = 1, 7
		}
		stored := fmt.Sprintf("now64(3) + toIntervalMillisecond(%d)", v.stored.Milliseconds())
		if v.insertedAfter != "" {
			d, err := time.ParseDuration(v.insertedAfter)
			if err != nil {
				t.Fatal(err)
			}
			stored = clock(d)
		}
		at := clock(v.at)
		if v.delay != 0 {
			at = fmt.Sprintf("%s - toIntervalMillisecond(%d)", stored, v.delay.Milliseconds())
		}
		selects = append(selects, fmt.Sprintf(`SELECT %s, '%s', '%s', '%s', toDecimal64('%s', 4), %s, %s, %s, %d, %d, %d + number, %d FROM numbers(%d)`,
			id, v.kind, v.user, v.product, or(v.price, "0"), at, clock(v.received), stored, stream, v.partition, v.offset, owner, max(v.n, 1)))
	}
	s.server.Query(t, s.database, "INSERT INTO events_fence SELECT 1, number, 7 FROM numbers(3)")
	s.server.Query(t, s.database, `INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, inserted_at,
		_stream, _partition, _offset, _owner) `+strings.Join(selects, " UNION ALL "))
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func clock(d time.Duration) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(%d, 'UTC')", now.Add(d).UnixMilli())
}

// refresh makes a view that refreshes by itself do so now.
func (s shop) refresh(t *testing.T, view string) {
	t.Helper()
	s.server.Query(t, s.database, "SYSTEM REFRESH VIEW "+view)
	s.server.Query(t, s.database, "SYSTEM WAIT VIEW "+view)
}

// show is a panel's answer for the range that ends now, in TSV with the columns' names.
func (s shop) show(t *testing.T, title string, span, interval time.Duration) string {
	t.Helper()
	return s.run(t, title, page.Query{From: now.Add(-span), To: now, Interval: interval})
}

// run is a panel's answer to q, from SQL that is expanded as Grafana does it.
func (s shop) run(t *testing.T, title string, q page.Query) string {
	t.Helper()
	for _, d := range load(t) {
		for _, p := range d.Panels {
			if p.Title != title || len(p.Targets) == 0 {
				continue
			}
			sql, err := page.Expand(p.Targets[0].RawSQL, q)
			if err != nil {
				t.Fatal(err)
			}
			return days.Replace(s.server.Query(t, s.database, sql+" FORMAT TSVWithNames")) + "\n"
		}
	}
	t.Fatalf("no panel is called %q", title)
	return ""
}

// answer is what one panel should say.
type answer struct {
	title          string
	span, interval time.Duration
	want           string
}

// check asks for each answer.
func (s shop) check(t *testing.T, when string, answers ...answer) {
	t.Helper()
	for _, a := range answers {
		if got := s.show(t, a.title, a.span, a.interval); got != a.want {
			t.Errorf("%s, %q over %s by %s\n got %s\nwant %s", when, a.title, a.span, a.interval, got, a.want)
		}
	}
}

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
)

// hostile are names that a page must show and not obey.
var hostile = []string{
	`<img src=x onerror="document.title='owned'">`, `<script>document.title='owned'</script>`, `"><svg onload=alert(1)>`,
	`'; DROP TABLE events; --`, "\u202Eevil مرحبا", "🛒🛒🛒", "${__field.name}", strings.Repeat("W", 256), // the longest that is stored
}

// TestPage plays every scenario on one stack and in one browser. They build on each
// other only in that events stay in the table; those that break something come last.
func TestPage(t *testing.T) {
	found := findTools(t)
	s := startStack(t)
	p := newProducer(t, s)
	p.history()
	d := startDriver(t, found)
	services := p.services()
	for _, name := range []string{
		"paint", "numbers", "own", "broken", "hostile", "address", "variables", "themes", "phone", "keyboard", "pause", "tables",
		"fresh", "aged", "access", "engine", "link",
	} {
		t.Run(name, func(t *testing.T) { d.run(t, name, "http://"+s.address+"/", services) })
	}
}

// producer makes events as a shop would, straight into the topic.
type producer struct {
	s      *stack
	client *kgo.Client
	random *rand.Rand
	made   uint64
}

func newProducer(t *testing.T, s *stack) *producer {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka), kgo.DefaultProduceTopic("clickstream"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &producer{s: s, client: client, random: rand.New(rand.NewPCG(1, 2))}
}

// event is one record of the topic.
type event struct {
	ID      uuid.UUID `json:"event_id"`
	Type    string    `json:"event_type"`
	User    string    `json:"user_id"`
	Product string    `json:"product_id"`
	Price   float64   `json:"price"`
	Time    string    `json:"timestamp"`
}

// send produces events and waits until the broker has them.
func (p *producer) send(events ...event) error {
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		e.ID = uuid.New()
		raw, err := json.Marshal(e)
		if err != nil {
			return err
		}
		records[i] = &kgo.Record{Key: []byte(e.User), Value: raw}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.made += uint64(len(events))
	return p.client.ProduceSync(ctx, records...).FirstErr()
}

// history is four minutes of a shop, and some names that no shop should have.
func (p *producer) history() {
	p.s.t.Helper()
	var events []event
	now := time.Now()
	for i := range 4800 {
		at := now.Add(-240*time.Second + time.Duration(i)*50*time.Millisecond - 2*time.Second)
		events = append(events, p.visit(at))
	}
	for _, name := range hostile {
		events = append(events, event{Type: "purchase", User: name, Product: name, Price: 5000, Time: stamp(now.Add(-3 * time.Second))})
	}
	if err := p.send(events...); err != nil {
		p.s.t.Fatal(err)
	}
	p.s.stored(p.made)
}

// visit draws an event: of a hundred, about 80 views, 14 carts and 6 purchases.
func (p *producer) visit(at time.Time) event {
	e := event{Type: "page_view", User: fmt.Sprintf("user_%04d", p.random.IntN(600)), Product: fmt.Sprintf("prod_%03d", p.random.IntN(60)), Time: stamp(at)}
	switch n := p.random.IntN(100); {
	case n < 6:
		e.Type = "purchase"
	case n < 20:
		e.Type = "add_to_cart"
	}
	e.Price = float64(500+p.random.IntN(9500)) / 100
	return e
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// services are what a scenario may ask for.
func (p *producer) services() map[string]service {
	return map[string]service{
		"query": func(args json.RawMessage) (any, error) { return p.query(args) },
		"buy": func(json.RawMessage) (any, error) { // one purchase, now
			at := time.Now()
			return at.UnixMilli(), p.send(event{Type: "purchase", User: "buyer", Product: "prod_007", Price: 1, Time: stamp(at)})
		},
		"visits": func(json.RawMessage) (any, error) { // a little life for pictures
			var events []event
			for range 25 {
				events = append(events, p.visit(time.Now().Add(-time.Duration(p.random.IntN(250))*time.Millisecond)))
			}
			return len(events), p.send(events...)
		},
		"stored":      func(json.RawMessage) (any, error) { p.s.stored(p.made); return p.made, nil },
		"killEngine":  func(json.RawMessage) (any, error) { p.s.engine.kill(); return nil, nil },
		"startEngine": func(json.RawMessage) (any, error) { p.s.startEngine(); return nil, nil },
		"killPage":    func(json.RawMessage) (any, error) { p.s.page.kill(); return nil, nil },
		"startPage":   func(json.RawMessage) (any, error) { p.s.startPage(); return nil, nil },
	}
}

// query answers SQL with rows of values, for comparing.
func (p *producer) query(args json.RawMessage) (any, error) {
	var sql string
	if err := json.Unmarshal(args, &sql); err != nil {
		return nil, err
	}
	rows, err := p.s.sql.Query(context.Background(), sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := [][]any{}
	for rows.Next() {
		row := make([]any, len(rows.Columns()))
		for i, kind := range rows.ColumnTypes() {
			row[i] = reflect.New(kind.ScanType()).Interface()
		}
		if err := rows.Scan(row...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

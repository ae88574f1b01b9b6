package event

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// sample is the example of the README and of the issue that asked for it.
var sample = Event{
	ID:        uuid.MustParse("3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
	Type:      AddToCart,
	UserID:    "user_0042",
	ProductID: "prod_123",
	Price:     2999,
	UnixMilli: time.Date(2026, 1, 15, 14, 30, 0, 123e6, time.UTC).UnixMilli(),
}

func TestAppend(t *testing.T) {
	got := string(Append([]byte("> "), sample))
	want := `> {"event_id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","event_type":"add_to_cart","user_id":"user_0042",` +
		`"product_id":"prod_123","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}`
	if got != want {
		t.Errorf("Append\n got %s\nwant %s", got, want)
	}
	if got := string(AppendStamped([]byte("> "), sample, AppendTime(nil, sample.UnixMilli))); got != want {
		t.Errorf("AppendStamped\n got %s\nwant %s", got, want)
	}
}

func TestAppendCents(t *testing.T) {
	for want, cents := range map[string]int64{
		"0.00":                  0,
		"0.05":                  5,
		"0.99":                  99,
		"1.00":                  100,
		"29.90":                 2990,
		"-0.01":                 -1,
		"92233720368547758.07":  math.MaxInt64,
		"-92233720368547758.08": math.MinInt64,
	} {
		if got := string(appendCents(nil, cents)); got != want {
			t.Errorf("appendCents(%d): got %s, want %s", cents, got, want)
		}
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[Type]string{
		0: "", PageView: "page_view", AddToCart: "add_to_cart", Purchase: "purchase",
		RemoveFromCart: "remove_from_cart", RemoveFromCart + 1: "", 255: "",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type(%d).String: got %q, want %q", typ, got, want)
		}
	}
}

// TestAppendTimeEveryDay compares two whole eras of 400 years, after which the
// calendar repeats, and both ends with package time.
func TestAppendTimeEveryDay(t *testing.T) {
	at := []int64{minMilli, maxMilli, -1, 0}
	from := time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for day := range int64(2 * 146_097) {
		at = append(at, from+day*millisPerDay+day*1_003%millisPerDay) // also walks through the times of day
	}
	var buf []byte
	for _, ms := range at {
		buf = AppendTime(buf[:0], ms)
		if want := time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"); string(buf) != want {
			t.Fatalf("AppendTime(%d): got %s, want %s", ms, buf, want)
		}
	}
}

func TestAppendTimePanicsOutsideYears(t *testing.T) {
	for _, ms := range []int64{minMilli - 1, maxMilli + 1, math.MinInt64, math.MaxInt64} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AppendTime(%d): want a panic", ms)
				}
			}()
			AppendTime(nil, ms)
		}()
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, MaxLen(len(sample.UserID), len(sample.ProductID)))
	if got := testing.AllocsPerRun(100, func() { Append(buf, sample) }); got != 0 {
		t.Errorf("allocations: got %v, want 0", got)
	}
}

// FuzzAppend reads back with encoding/json what Append wrote.
func FuzzAppend(f *testing.F) {
	f.Add(sample.ID[:], uint8(1), sample.UserID, sample.ProductID, sample.Price, sample.UnixMilli)
	f.Add([]byte{}, uint8(3), "quote\" slash\\ \x00\x1f\x7f tab\t", "\xff\xfe ü € 😀 \u2028", int64(math.MinInt64), int64(-1))
	f.Fuzz(func(t *testing.T, id []byte, typ uint8, user, product string, price, milli int64) {
		e := Event{
			Type: 1 + Type(typ)%RemoveFromCart, UserID: user, ProductID: product,
			Price: price, UnixMilli: minMilli + int64(uint64(milli)%(maxMilli-minMilli+1)),
		}
		copy(e.ID[:], id)
		doc := Append(nil, e)
		checkFields(t, doc, e)
		if plain(user) && plain(product) && len(doc) > MaxLen(len(user), len(product)) {
			t.Errorf("MaxLen: got %d for %d bytes", MaxLen(len(user), len(product)), len(doc))
		}
	})
}

func checkFields(t *testing.T, doc []byte, e Event) {
	t.Helper()
	var got struct {
		EventID   uuid.UUID   `json:"event_id"`
		EventType string      `json:"event_type"`
		UserID    string      `json:"user_id"`
		ProductID string      `json:"product_id"`
		Price     json.Number `json:"price"`
		Timestamp time.Time   `json:"timestamp"`
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	want := got
	want.EventID, want.EventType = e.ID, e.Type.String()
	want.UserID, want.ProductID = repair(e.UserID), repair(e.ProductID)
	want.Price = json.Number(appendCents(nil, e.Price))
	want.Timestamp = time.UnixMilli(e.UnixMilli).UTC()
	if got != want {
		t.Errorf("fields\n got %+v\nwant %+v", got, want)
	}
}

// repair puts U+FFFD in place of each byte that is not UTF-8 (strings.ToValidUTF8
// puts one in place of a run of them).
func repair(s string) string { return string([]rune(s)) }

func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == '\ufffd' })
}

// BenchmarkAppendEvent is the cost of an event's JSON alone.
func BenchmarkAppendEvent(b *testing.B) {
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], sample)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkMarshalEvent is what Append is held against.
func BenchmarkMarshalEvent(b *testing.B) {
	type doc struct {
		EventID   uuid.UUID `json:"event_id"`
		EventType string    `json:"event_type"`
		UserID    string    `json:"user_id"`
		ProductID string    `json:"product_id"`
		Price     float64   `json:"price"`
		Timestamp string    `json:"timestamp"`
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := json.Marshal(doc{
			sample.ID, sample.Type.String(), sample.UserID, sample.ProductID, float64(sample.Price) / 100,
			time.UnixMilli(sample.UnixMilli).UTC().Format("2006-01-02T15:04:05.000Z"),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

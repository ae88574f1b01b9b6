package main

import (
	"fmt"
	"testing"
	"time"

	"clickstream/internal/event"
)

const usual = `{"event_id":"018f5b8e-0000-4000-8000-0000000000ff","event_type":"purchase","user_id":"user_0042","product_id":"prod_123","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}`

func TestScan(t *testing.T) {
	const want = "[1 143 91 142 0 0 64 0 128 0 0 0 0 0 0 255] 3 user_0042 prod_123 299900 1768487400123"
	for name, tc := range map[string]struct {
		doc   string
		known bool
	}{
		"as we write it": {usual, true},
		"other order":    {`{ "timestamp":"2026-01-15T15:30:00.123+01:00","price":29.990,"product_id":"prod_123","user_id":"user_0042","event_type":"purchase","event_id":"018F5B8E-0000-4000-8000-0000000000FF" }`, false},
		"an escape":      {`{"event_id":"018f5b8e-0000-4000-8000-0000000000ff","event_type":"purchase","user_id":"user\u005f0042","product_id":"prod_123","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var s scanner
			var f fields
			if known := s.known([]byte(tc.doc), &f); known != tc.known {
				t.Errorf("known: got %t, want %t", known, tc.known)
			}
			if !s.scan([]byte(tc.doc), &f) {
				t.Fatal("scan: got false")
			}
			if got := fmt.Sprint(f.id, f.kind, " ", string(f.user), " ", string(f.product), " ", f.price, f.timestamp); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
	for name, doc := range map[string]string{
		"nothing": "", "no object": "[]", "no id": `{"event_type":"purchase"}`, "an unknown type": `{"event_id":"018f5b8e-0000-4000-8000-0000000000ff","event_type":"x"}`,
	} {
		var s scanner
		if s.scan([]byte(doc), &fields{}) {
			t.Errorf("%s: got true", name)
		}
	}
}

// FuzzKnown: what the fast path takes means the same to encoding/json.
func FuzzKnown(f *testing.F) {
	f.Add([]byte(usual))
	f.Add([]byte(usual[:100] + "7" + usual[100:]))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var s scanner
		var fast, slow fields
		if !s.known(doc, &fast) {
			return
		}
		if !s.any(doc, &slow) {
			t.Fatalf("%q: encoding/json refuses it", doc)
		}
		if fast.price > 1<<50 {
			fast.price, slow.price = 0, 0 // beyond what a float holds exactly
		}
		if a, b := fmt.Sprintf("%+v", fast), fmt.Sprintf("%+v", slow); a != b {
			t.Errorf("%q\n got %s\nwant %s", doc, a, b)
		}
	})
}

// What the bench fills topics with is what the fast path reads.
func TestShopIsUsual(t *testing.T) {
	shop := newShop(time.UnixMilli(1768487400000))
	var s scanner
	var f fields
	for i := range 1000 {
		e := shop.next(i)
		if !s.known(event.Append(nil, e), &f) {
			t.Fatalf("%s: not known", event.Append(nil, e))
		}
		if f.id != e.ID || f.kind != byte(e.Type) || string(f.user) != e.UserID || string(f.product) != e.ProductID || f.price != e.Price*100 || f.timestamp != e.UnixMilli {
			t.Fatalf("got %+v\nwant %+v", f, e)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	var s scanner
	var f fields
	b.ReportAllocs()
	for b.Loop() {
		if !s.known([]byte(usual), &f) {
			b.Fatal("not known")
		}
	}
}

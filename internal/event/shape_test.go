package event

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"clickstream/internal/corpus"
)

// verdict is all that a scanner says about a document.
func verdict(s *Scanner, doc []byte) string {
	if err := s.Scan(doc); err != nil {
		var syntax *SyntaxError
		return fmt.Sprint(errors.As(err, &syntax), err)
	}
	return fmt.Sprint(s.values, s.extra)
}

// TestShape: after any document, a scanner says of the next one what a new one would.
func TestShape(t *testing.T) {
	docs := []string{
		string(scanned), `{}`, ` {} `, `{"a":1}`, `{"a":1 }`, `{"a":12}`, `{"a":"1"}`, `{"a":"x\n"}`, `{"a":"é"}`, "{\"a\":\"\xff\"}", `{"a":"1"`, `{"a":1`,
		`{"a":null}`, `{"a":true}`, `{"a":[1,{}]}`, `{"a":{"a":"}"}}`, `{"a":01}`, `{"a":1}x`, `{"a":1,"b":"x"}`, `{"a":1,"b":"x","c":2}`,
		`{"a":1,"a":2}`, `{"\u0061":1}`, `{"b":"","a":""}`, `{"a":"}"}`, `{"a":"\""}`, `{"a":"`, `{"`, ``,
	}
	for _, first := range docs {
		s := NewScanner([]string{"a", "b"})
		_ = s.Scan([]byte(first)) // its own verdict is in the loop below
		for _, doc := range append(docs, docs...) {
			if got, want := verdict(s, []byte(doc)), verdict(NewScanner([]string{"a", "b"}), []byte(doc)); got != want {
				t.Errorf("%s after %s\n got %s\nwant %s", doc, first, got, want)
			}
		}
	}
}

// TestShapeOfAnother: a topic whose producers change their documents is read by the
// new shape before long.
func TestShapeOfAnother(t *testing.T) {
	s := NewScanner([]string{"a"})
	for _, doc := range []string{`{"a":1}`, `{"b":2,"a":1}`} {
		for range forget {
			if err := s.Scan([]byte(doc)); err != nil {
				t.Fatal(err)
			}
		}
		if !s.shape.match([]byte(doc), slices.Clone(s.values)) {
			t.Errorf("%s %d times: its shape is not known", doc, forget)
		}
	}
}

// FuzzShape: as TestShape, for any two documents.
func FuzzShape(f *testing.F) {
	corpus.Add(f)
	f.Add(scanned, scanned)
	f.Add([]byte(`{"a":1,"b":"x"}`), []byte(`{"a":1,"b":"x\n"}`))
	f.Add([]byte(`{"a":[]}`), []byte(`{"a":[1,2]}`))
	f.Add([]byte(`{"a":""}`), []byte(`{"a":"","b":""}`))
	f.Fuzz(func(t *testing.T, first, doc []byte) {
		s := NewScanner([]string{"a", "b"})
		_ = s.Scan(first)
		if got, want := verdict(s, doc), verdict(NewScanner([]string{"a", "b"}), doc); got != want {
			t.Errorf("%q after %q\n got %s\nwant %s", doc, first, got, want)
		}
	})
}

// BenchmarkScanStrange: every document is of another shape than the last.
func BenchmarkScanStrange(b *testing.B) {
	s := NewScanner(scannedFields)
	strange := slices.Concat([]byte(" "), scanned)
	b.ReportAllocs()
	b.SetBytes(int64(len(scanned)))
	for i := 0; b.Loop(); i++ {
		doc := scanned
		if i%2 == 1 {
			doc = strange
		}
		s.shape.misses = 0
		s.shape.known = false
		if err := s.Scan(doc); err != nil {
			b.Fatal(err)
		}
	}
}

package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"clickstream/internal/corpus"
)

var scanned = []byte(`{"event_id":"0193a2b4-7c1d-7e3f-8a9b-0c1d2e3f4a5b","event_type":"purchase","user_id":"user_0042","product_id":"prod_123","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}`)

var scannedFields = []string{"event_id", "event_type", "user_id", "product_id", "price", "timestamp"}

func TestScanValues(t *testing.T) {
	for name, tc := range map[string]struct {
		doc, kind, text string
		extra           int
	}{
		"string":        {`{"a":"x"}`, "a string", "x", 0},
		"escaped":       {`{"a":"x\ny"}`, "a string", `x\ny`, 0},
		"number":        {`{"z":1,"a":-1.5E+2}`, "a number", "-1.5E+2", 1},
		"null":          {`{"a":null}`, "null", "null", 0},
		"true":          {`{"a": true }`, "a boolean", "true", 0},
		"object":        {`{"a":{"a":[1,{}]}}`, "an object", `{"a":[1,{}]}`, 0},
		"array":         {`{"a":[ ]}`, "an array", `[ ]`, 0},
		"absent":        {`{"b":1,"c":{}}`, "nothing", "", 1},
		"last of two":   {`{"a":1,"b":2,"a":"3"}`, "a string", "3", 0},
		"escaped name":  {`{"\u0061":"x"}`, "a string", "x", 0},
		"other case":    {`{"A":"x"}`, "nothing", "", 1},
		"empty":         {` {} `, "nothing", "", 0},
		"any order":     {`{"y":0,"b":1,"x":0,"a":2}`, "a number", "2", 2},
		"text of UTF-8": {`{"a":"é😀"}`, "a string", "é😀", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScanner([]string{"a", "b"})
			if err := s.Scan([]byte(tc.doc)); err != nil {
				t.Fatalf("Scan(%s): %v", tc.doc, err)
			}
			v := s.Value(0)
			if got := tc.doc[v.Start:v.End]; v.Kind.String() != tc.kind || got != tc.text || s.Extra() != tc.extra {
				t.Errorf("Scan(%s)\n got %s %q and %d extra\nwant %s %q and %d extra", tc.doc, v.Kind, got, s.Extra(), tc.kind, tc.text, tc.extra)
			}
		})
	}
}

func TestScanErrors(t *testing.T) {
	for doc, want := range map[string]string{
		"":                                 "unexpected end at byte 0",
		" ":                                "unexpected end at byte 1",
		"null":                             "want a JSON object at byte 0",
		"[]":                               "want a JSON object at byte 0",
		`"a"`:                              "want a JSON object at byte 0",
		"\ufeff{}":                         "want a JSON object at byte 0",
		"{":                                "unexpected end at byte 1",
		`{"a"`:                             "unexpected end at byte 4",
		`{"a":`:                            "unexpected end at byte 5",
		`{"a":1`:                           "unexpected end at byte 6",
		`{"a":1,}`:                         "want a field name at byte 7",
		`{"a" 1}`:                          "want a colon at byte 5",
		`{"a":1 "b":2}`:                    "want a comma or the end at byte 7",
		`{"a":01}`:                         "bad number at byte 5",
		`{"a":-}`:                          "bad number at byte 5",
		`{"a":1.}`:                         "bad number at byte 5",
		`{"a":1e}`:                         "bad number at byte 5",
		`{"a":NaN}`:                        "want a value at byte 5",
		`{"a":nul}`:                        "want a value at byte 5",
		`{"a":[1,]}`:                       "want a value at byte 8",
		`{"a":[1}`:                         "want a comma or the end at byte 7",
		`{"a":"\x"}`:                       "bad escape at byte 6",
		`{"a":"\u12g4"}`:                   "bad escape at byte 6",
		`{"a":"\ud800"}`:                   "half a surrogate pair at byte 6",
		`{"a":"\udc00\ud800"}`:             "half a surrogate pair at byte 6",
		"{\"a\":\"\x01\"}":                 "control character in a string at byte 6",
		"{\"a\":\"\xff\"}":                 "invalid UTF-8 at byte 6",
		"{\"a\":\"\xed\xa0\x80\"}":         "invalid UTF-8 at byte 6",
		`{"a":1}{}`:                        "data after the object at byte 7",
		`{"a":1}x`:                         "data after the object at byte 7",
		`{"a":` + strings.Repeat("[", 300): "nested too deep at byte 260",
	} {
		err := NewScanner(nil).Scan([]byte(doc))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("Scan(%.40q)\n got %v\nwant %s", doc, err, want)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	s := NewScanner(scannedFields)
	if got := testing.AllocsPerRun(100, func() { _ = s.Scan(scanned) }); got != 0 {
		t.Errorf("allocations per Scan\n got %v\nwant 0", got)
	}
}

// FuzzScan holds the scanner against encoding/json: the same verdict, but for the
// strictness that Scanner's comment lists, and the same values.
func FuzzScan(f *testing.F) {
	corpus.Add(f)
	for _, doc := range []string{
		string(scanned), `{}`, `{"a":1,"a":"x","b":[{"c":null}]}`, `{"a":"\ud83d\ude00\u0000"}`, `{"a":1e400}`,
		`{"a" : -0.0 , "b" : "\\\"" }`, "{\"a\":\"\xc3\x28\"}", `[1]`, `{"a":tru}`, `{"\u0061":"long enough for eight bytes é"}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s := NewScanner([]string{"a", "b"})
		err := s.Scan(doc)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(doc, &want)
		if strict(doc, err) {
			return
		}
		if (err == nil) != (wantErr == nil && want != nil) {
			t.Fatalf("Scan(%q)\n got %v\nwant %v", doc, err, wantErr)
		}
		if err == nil {
			sameValues(t, s, doc, want)
		}
	})
}

// strict reports whether the scanner refused doc for one of the listed reasons.
func strict(doc []byte, err error) bool {
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		return false
	}
	switch syntax.code {
	case errUTF8:
		return !utf8.Valid(doc)
	case errSurrogate:
		return bytes.Contains(doc, []byte(`\u`))
	case errDepth:
		return bytes.Count(doc, []byte("["))+bytes.Count(doc, []byte("{")) >= maxDepth
	}
	return false
}

func sameValues(t *testing.T, s *Scanner, doc []byte, want map[string]json.RawMessage) {
	t.Helper()
	extra := len(want)
	for i, name := range []string{"a", "b"} {
		v := s.Value(i)
		raw, ok := want[name]
		if ok != (v.Kind != Absent) {
			t.Fatalf("Scan(%q): field %s: got %s, want %q", doc, name, v.Kind, raw)
		}
		if !ok {
			continue
		}
		extra--
		got := doc[v.Start:v.End]
		if v.Kind == String || v.Kind == Escaped {
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			if got = AppendText(nil, got); string(got) != text {
				t.Fatalf("Scan(%q): field %s\n got %q\nwant %q", doc, name, got, text)
			}
		} else if !bytes.Equal(got, raw) {
			t.Fatalf("Scan(%q): field %s\n got %q\nwant %q", doc, name, got, raw)
		}
	}
	if s.Extra() < extra { // fields of one name count each time
		t.Fatalf("Scan(%q): extra fields\n got %d\nwant at least %d", doc, s.Extra(), extra)
	}
}

// FuzzLookup: on a document that the scanner takes, Lookup finds the same field.
func FuzzLookup(f *testing.F) {
	f.Add(scanned)
	f.Add([]byte(`{"price":{"price":1},"price":2}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, ok := Lookup(doc, "price")
		s := NewScanner([]string{"price"})
		if s.Scan(doc) != nil || bytes.Count(doc, []byte("price"))+bytes.Count(doc, []byte(`\u`)) > 1 {
			return
		}
		v := s.Value(0)
		want, wantOK := content(doc, token{v.Kind, v.Start, v.End})
		if ok != wantOK || !bytes.Equal(got, want) {
			t.Errorf("Lookup(%q)\n got %q, %v\nwant %q, %v", doc, got, ok, want, wantOK)
		}
	})
}

// BenchmarkScan: one event of the simulator, all six fields wanted.
func BenchmarkScan(b *testing.B) {
	s := NewScanner(scannedFields)
	b.ReportAllocs()
	b.SetBytes(int64(len(scanned)))
	for b.Loop() {
		if err := s.Scan(scanned); err != nil {
			b.Fatal(err)
		}
	}
}

package deadletters

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"clickstream/internal/corpus"

	"github.com/twmb/franz-go/pkg/kgo"
)

var written = time.Date(2026, 1, 15, 14, 30, 1, 0, time.UTC)

// letterOf is a record with headers in pairs of name and value.
func letterOf(value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: "letters", Partition: 1, Offset: 7, Timestamp: written, Value: []byte(value)}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

// ours are the headers that the pipeline writes, less those named.
func ours(without string) []string {
	var kept []string
	for _, h := range [][2]string{
		{"reason", "bad_time"}, {"field", "timestamp"}, {"message", "want a time"}, {"topic", "clickstream"},
		{"partition", "2"}, {"offset", "41"}, {"timestamp", "2026-01-15T14:30:00.123Z"}, {"version", "1"},
	} {
		if h[0] != without {
			kept = append(kept, h[0], h[1])
		}
	}
	return kept
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		headers       []string
		stranger, org string
	}{
		"ours":           {ours(""), "", "clickstream/2/41@2026-01-15T14:30:00.123Z"},
		"no headers":     {nil, "no header reason", ""},
		"no reason":      {ours("reason"), "no header reason", ""},
		"unknown reason": {append(ours("reason"), "reason", "mood"), "header reason: unknown code", ""},
		"no topic":       {ours("topic"), "no header topic: its origin is unknown", ""},
		"bad topic":      {append(ours("topic"), "topic", "a/b"), `header topic: want a topic's name, got "a/b"`, ""},
		"no partition":   {ours("partition"), `header partition: want a number from 0 on, got ""`, ""},
		"huge partition": {append(ours("partition"), "partition", "4294967296"), `header partition: want a number from 0 on, got "4294967296"`, ""},
		"below 0":        {append(ours("offset"), "offset", "-1"), `header offset: want a number from 0 on, got "-1"`, ""},
		"no time":        {append(ours("timestamp"), "timestamp", "noon"), `header timestamp: want RFC 3339, got "noon"`, ""},
		"cut":            {append(ours(""), "truncated", "900"), "", "clickstream/2/41@2026-01-15T14:30:00.123Z"},
		"cut to more":    {append(ours(""), "truncated", "2"), "header truncated: want the record's length", ""},
		"the last one":   {append([]string{"offset", "5"}, ours("")...), "", "clickstream/2/41@2026-01-15T14:30:00.123Z"},
	} {
		t.Run(name, func(t *testing.T) {
			l := Parse(letterOf("value", tc.headers...))
			if tc.org == "" {
				tc.org = "letters/1/7@2026-01-15T14:30:01.000Z"
			}
			if l.Stranger != tc.stranger || l.Origin.String() != tc.org {
				t.Errorf("got stranger %q, origin %s\nwant %q, %s", l.Stranger, l.Origin, tc.stranger, tc.org)
			}
		})
	}
}

// FuzzLetter: whatever is in a record, it can be read, listed and shown, no control
// character of it reaches the terminal, and its origin survives a mark.
func FuzzLetter(f *testing.F) {
	corpus.Add(f)
	f.Add("malformed_json", "", "want a value at byte 3", "clickstream", "0", "5", "2026-01-15T14:30:00.123Z", "", []byte(`{"a`))
	f.Add("wrong_type", "price", "want a number", "clickstream", "2", "9223372036854775807", "9999-12-31T23:59:59.999999999Z", "70000", []byte(`{"price":"\u00e9\ud800"}`))
	f.Add("out_of_range", "pri\x1bce", "", "", "-1", "x", "0000-01-01T00:00:00Z", "-5", []byte("\xff\x00\u202e\x1b[2J"))
	f.Add("other", "", "", strings.Repeat("\xf6", 2000), "0", "0", "", "", []byte("{}"))
	f.Fuzz(func(t *testing.T, reason, field, message, topic, partition, offset, stamp, truncated string, value []byte) {
		headers := []string{"reason", reason, "field", field, "message", message, "topic", topic, "partition", partition, "offset", offset, "timestamp", stamp}
		if truncated != "" {
			headers = append(headers, "truncated", truncated)
		}
		r := letterOf(string(value), headers...)
		l := Parse(r)
		if len(l.Field) > maxText || len(l.Message) > maxText || len(l.Stranger) > maxText {
			t.Errorf("a text is longer than %d", maxText)
		}
		again, err := ParseOrigin(l.Origin.String())
		if err != nil || again != l.Origin {
			t.Errorf("origin %s is read as %s: %v", l.Origin, again, err)
		}
		var list strings.Builder
		if err := WriteList(&list, []*Entry{{Letter: l, State: Open, Root: l.Origin, Attempt: 1}}); err != nil {
			t.Fatal(err)
		}
		shown := Show(&l, r)
		if limit := 40*around + 20*maxText; len(shown) > limit {
			t.Errorf("shown in %d bytes, want at most %d", len(shown), limit)
		}
		for _, c := range list.String() + shown {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%q reaches the terminal", c)
			}
		}
		if n := strings.Count(list.String(), "\n"); n != 2 {
			t.Errorf("a letter takes %d lines", n-1)
		}
		m := newMarks()
		_ = m.add([]byte(field), value)
	})
}

func TestShow(t *testing.T) {
	long := `{"note":"` + strings.Repeat("é", 2000) + `","price":"much","rest":"` + strings.Repeat("r", 2000) + `"}`
	for name, tc := range map[string]struct {
		value, field string
		want         []string
	}{
		"syntax":        {`{"a":}`, "", []string{"  {\"a\":}\n       ^\nwant a value at byte 5\n"}},
		"end":           {`{"a":1`, "", []string{"  {\"a\":1\n        ^\nunexpected end at byte 6\n"}},
		"empty":         {"", "", []string{"\n  \n  ^\nunexpected end at byte 0\n"}},
		"field":         {`{"price":"much"}`, "price", []string{"  {\"price\":\"much\"}\n            ^^^^\nprice is a string\n"}},
		"no such field": {`{"a":1}`, "price", []string{"\n  {\"a\":1}\n"}},
		"far inside":    {long, "price", []string{"bytes before\n", "^^^^\n", "bytes after\nprice is a string\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := letterOf(tc.value, append(ours("field"), "field", tc.field)...)
			l := Parse(r)
			shown := Show(&l, r)
			for _, want := range tc.want {
				if !strings.Contains(shown, want) {
					t.Errorf("got\n%s\nwant ...%s...", shown, want)
				}
			}
		})
	}
}

// A mark that cannot be read must not be passed over: its letter would be sent twice.
func TestMarksUnreadable(t *testing.T) {
	origin := "clickstream/0/5@2026-01-15T14:30:00.123Z"
	for name, tc := range map[string]struct{ key, value, want string }{
		"replayed":  {origin, `{"state":"replayed","as":"clickstream/0/9@2026-01-15T15:00:00.000Z","root":"` + origin + `","attempt":2}`, ""},
		"dropped":   {origin, `{"state":"dropped"}`, ""},
		"no key":    {"", `{"state":"dropped"}`, "key: origin: want"},
		"no JSON":   {origin, `x`, "value: "},
		"no value":  {origin, ``, "value: "},
		"new state": {origin, `{"state":"burnt"}`, `state: want replayed or dropped, got "burnt"`},
		"as what":   {origin, `{"state":"replayed"}`, "as: origin: want"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarks()
			err := m.add([]byte(tc.key), []byte(tc.value))
			if got := errorText(err); tc.want == "" && err != nil || !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q...", got, tc.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

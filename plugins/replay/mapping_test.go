package replay

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"clickstream/internal/corpus"
	"clickstream/internal/event"
)

// parsed returns the config of YAML.
func parsed(t testing.TB, yaml string) *config {
	t.Helper()
	c, err := parseYAML(yaml)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parseYAML(yaml string) (*config, error) {
	pc, err := spec().ParseYAML(yaml, nil)
	if err != nil {
		return nil, err
	}
	return parse(pc)
}

const ourMapping = `
mapping:
  event_type: { from: act, values: { look: page_view, buy: purchase } }
  user_id: { from: who, default: nobody }
  product_id: { from: what }
  price: { from: cost, default: "0" }
  timestamp: { from: when, layouts: [ unix, rfc3339, "02/01/2006 15:04" ] }
`

// mapLines maps the rows of a text and shows each as JSON without its id, or as what
// is wrong with it.
func mapLines(c *config, name, text string) (lines []string, err error) {
	o := &opened{feed: newFeed(strings.NewReader(text), c.maxRow)}
	o.feed.skipBOM()
	if err := c.header(o, file{Name: name, format: strings.TrimPrefix(name[strings.LastIndex(name, "."):], ".")}); err != nil {
		return nil, err
	}
	for {
		_, wrong, err := o.next()
		if err != nil {
			return lines, nil
		}
		var e mapped
		if wrong.reason == "" {
			e, wrong = c.mapping.read(o)
		}
		if wrong.reason != "" {
			lines = append(lines, wrong.reason+" "+wrong.column)
			continue
		}
		_, rest, _ := strings.Cut(string(e.append(nil)), `"event_type":`)
		lines = append(lines, rest)
	}
}

func TestMapping(t *testing.T) {
	const header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
	for name, tc := range map[string]struct{ yaml, file, text, want string }{
		"REES46": {"paths: [x]\npreset: rees46", "x.csv",
			header + "2019-10-01 00:00:00 UTC,cart,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde\n",
			`"add_to_cart","user_id":"541312140","product_id":"44600062","price":35.79,"timestamp":"2019-10-01T00:00:00.000Z"}`},
		"bad rows": {"paths: [x]\npreset: rees46", "x.csv",
			header + "2019-10-01,cart,4,2,,,1,5,7\n2019-10-01 00:00:00 UTC,look,4,2,,,1,5,7\n2019-10-01 00:00:00 UTC,cart,4,2,,,x,5,7\n" +
				"2019-10-01 00:00:00 UTC,cart,4,2,,,-1,5,7\n2019-10-01 00:00:00 UTC,cart,4,2,,,1,,7\nragged,row\n2019-10-01 00:00:00 UTC,cart,\xff,2,,,1,5,7\n2019-10-01 00:00:00 UTC,cart,\x00,2,,,1,5,7\n",
			"time event_time;event_type event_type;price price;price price;empty user_id;row ;text product_id;text product_id"},
		"a price of four digits": {"paths: [x]" + ourMapping, "x.csv", "act,who,what,cost,when\nlook,,p,1.23456,1569888000.5\n",
			`"page_view","user_id":"nobody","product_id":"p","price":1.2346,"timestamp":"2019-10-01T00:00:00.500Z"}`},
		"NDJSON": {"paths: [x]" + ourMapping, "x.ndjson",
			`{"when":"01/10/2019 08:30","act":"buy","who":7,"what":"a\"b","cost":1e1,"more":[1]}` + "\r\n\n" + `{"when":1,"act":"buy","what":true}` + "\n{\n" + `{"act":"buy","what":"p","when":2,"cost":null}`,
			`"purchase","user_id":"7","product_id":"a\"b","price":10.00,"timestamp":"2019-10-01T08:30:00.000Z"};text what;row ;"purchase","user_id":"nobody","product_id":"p","price":0.00,"timestamp":"1970-01-01T00:00:02.000Z"}`},
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := mapLines(parsed(t, tc.yaml), tc.file, tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(lines, ";"); got != tc.want {
				t.Errorf("mapped\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no such column": {"a,b\n1,2\n", `header: no column "act" among 2: the first line must name the columns as the mapping does`},
		"one column":     {"who;act\n", `header: no column "act" among 1: the first line must name the columns, or set delimiter`},
		"twice":          {"who,act,what,cost,when,who\n", `header: column "who" stands there twice`},
		"UTF-16":         {"a\x00c\x00t\x00,\x00", "UTF-16"},
		"quotes":         {"\"who,act\n", "header: quotes that do not fit"},
		"an empty file":  {"", "<nil>"},
	} {
		_, err := mapLines(parsed(t, "paths: [x]"+ourMapping), "x.csv", tc.text)
		if got := fmt.Sprint(err); !strings.Contains(got, tc.want) {
			t.Errorf("%s\n got %s\nwant %s", name, got, tc.want)
		}
	}
}

// TestAppend: prices in whole cents are written as internal/event writes them, and all
// of them are JSON of the right value.
func TestAppend(t *testing.T) {
	e := mapped{event: event.Event{Type: event.Purchase, UserID: "u", ProductID: "p", Price: 105, UnixMilli: 1}}
	if got, want := string(e.append(nil)), string(event.Append(nil, e.event)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	e.hundredths = 7
	var got struct {
		Price     json.Number `json:"price"`
		Timestamp time.Time   `json:"timestamp"`
	}
	if err := json.Unmarshal(e.append([]byte(nil)), &got); err != nil || got.Price != "1.0507" || got.Timestamp.UnixMilli() != 1 {
		t.Errorf("got %v, %v, want a price of 1.0507", got, err)
	}
}

// TestRowID: an id is a UUID of version 8 that depends on run, file, row and bytes.
func TestRowID(t *testing.T) {
	var m mapping
	seen := map[[16]byte]bool{}
	for _, id := range [][16]byte{
		m.rowID(tagOf("", "a.csv"), 1, []byte("x")), m.rowID(tagOf("2", "a.csv"), 1, []byte("x")),
		m.rowID(tagOf("", "b.csv"), 1, []byte("x")), m.rowID(tagOf("", "a.csv"), 2, []byte("x")), m.rowID(tagOf("", "a.csv"), 1, []byte("y")),
	} {
		if seen[id] || id[6]>>4 != 8 || id[8]>>6 != 2 {
			t.Errorf("id %x is there twice, or no UUID of version 8", id)
		}
		seen[id] = true
	}
	if !seen[m.rowID(tagOf("", "a.csv"), 1, []byte("x"))] {
		t.Error("the same row has another id the second time")
	}
}

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"defaults":        {"paths: [x]\npreset: rees46", "<nil>"},
		"mapping":         {"paths: [x]" + ourMapping, "<nil>"},
		"kafka":           {"paths: [x]\npreset: rees46\nkafka: { brokers: ['a:1,b:2'], topic: t }", "<nil>"},
		"no files":        {"paths: []\npreset: rees46", "paths: want at least one file, got none"},
		"no mapping":      {"paths: [x]", "preset, mapping: want one of them, got none"},
		"both":            {"paths: [x]\npreset: rees46" + ourMapping, "preset, mapping: want one of them, got both"},
		"speed":           {"paths: [x]\npreset: rees46\nspeed: fast", `speed: want as_is, or 0.001x to 1000000x such as 60x, got "fast"`},
		"speed 0":         {"paths: [x]\npreset: rees46\nspeed: 0x", `speed: want as_is, or 0.001x to 1000000x such as 60x, got "0x"`},
		"rows":            {"paths: [x]\npreset: rees46\nmax_row_bytes: 1", "max_row_bytes: want 1024 to 16777216, got 1"},
		"delimiter":       {"paths: [x]\npreset: rees46\ndelimiter: '::'", `delimiter: want one ASCII character that is no quote, got "::"`},
		"run":             {"paths: [x]\npreset: rees46\nrun: a/b", `run: want at most 64 characters without a slash, got "a/b"`},
		"an unknown type": {"paths: [x]" + strings.Replace(ourMapping, "purchase", "bought", 1), `mapping.event_type.values.buy: want one of add_to_cart, page_view, purchase, remove_from_cart, got "bought"`},
		"no column":       {"paths: [x]" + strings.Replace(ourMapping, "from: what", "", 1), "mapping.product_id: want from (a column), default (a value), or both, got none"},
		"a bad constant":  {"paths: [x]" + strings.Replace(ourMapping, `default: "0"`, "default: cheap", 1), `mapping.price.default: want a number from 0 on, got "cheap"`},
		"a zone's name":   {"paths: [x]" + strings.Replace(ourMapping, "15:04", "15:04 MST", 1), `mapping.timestamp.layouts: want a zone as an offset (Z07:00) or none, which is UTC, got a name (MST): EST is many zones; "utc" reads 2006-01-02 15:04:05 UTC`},
		"no layout":       {"paths: [x]" + strings.Replace(ourMapping, "02/01/2006 15:04", "someday", 1), `mapping.timestamp.layouts: want rfc3339, utc, unix, unix_ms or a layout of Go with year, month and day, as 02/01/2006 15:04:05, got "someday"`},
		"no broker":       {"paths: [x]\npreset: rees46\nkafka: { brokers: [], topic: t }", "kafka.brokers: want at least one host:port, got none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseYAML(tc.yaml)
			if got := fmt.Sprint(err); got != tc.want {
				t.Errorf("parse\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// FuzzNDJSON: whatever the lines hold, each that is not blank is a row, and a row that
// is mapped is an event that our own reader takes.
func FuzzNDJSON(f *testing.F) {
	corpus.Add(f)
	f.Add([]byte(`{"when":"01/10/2019 08:30","act":"buy","who":7,"what":"a\"b","cost":1e1}` + "\n{}\n"))
	f.Add([]byte("\xef\xbb\xbf{\"a\":\"\\ud800\"}\r\n\r\n[1]"))
	c, err := parseYAML("paths: [x]" + ourMapping)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := mapLines(c, "x.ndjson", string(text))
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for line := range strings.Lines(strings.TrimPrefix(string(text), string(bom))) {
			if strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r") != "" {
				want++
			}
		}
		if len(lines) != want {
			t.Fatalf("got %d rows, want %d", len(lines), want)
		}
		for _, line := range lines {
			if strings.HasSuffix(line, "}") && !json.Valid([]byte(`{"event_type":`+line)) {
				t.Fatalf("no JSON: %s", line)
			}
		}
	})
}

// FuzzTimePrice: what is taken for a time lies in the years that can be written, what
// is taken for a price can be written.
func FuzzTimePrice(f *testing.F) {
	corpus.Add(f)
	f.Add("2019-10-01 00:00:00 UTC")
	f.Add("1569888000.25")
	f.Add("01/10/2019 08:30")
	f.Fuzz(func(t *testing.T, text string) {
		c := clock{layouts: []string{layoutRFC3339, layoutUTC, layoutUnix, layoutMillis, "02/01/2006 15:04"}}
		if milli, ok := c.parse([]byte(text)); ok {
			_ = event.AppendTime(nil, milli) // panics outside
		}
		if cents, hundredths, reason := parsePrice([]byte(text)); reason == "" && (cents < 0 || hundredths < 0 || hundredths > 99) {
			t.Fatalf("price %q: got %d and %d", text, cents, hundredths)
		}
	})
}

// FuzzMapping: any YAML is a config or an error.
func FuzzMapping(f *testing.F) {
	corpus.Add(f)
	f.Add("paths: [x]" + ourMapping)
	f.Add("paths: [x]\npreset: rees46\nkafka: { brokers: [a], topic: t, sasl: { mechanism: PLAIN } }")
	f.Fuzz(func(t *testing.T, yaml string) {
		if c, err := parseYAML(yaml); err == nil && len(c.mapping.clock.layouts) == 0 {
			t.Fatal("a mapping without a layout")
		}
	})
}

// TestRefused: what is sent of a row that is no event has its bytes, whatever they are,
// and nothing that a table would take for an event.
func TestRefused(t *testing.T) {
	r := refused{wrong: fault{badPrice, "price", "a number"}, raw: []byte(`a,"b",<c>`), file: "rows.csv", number: 7}
	want := `{"event_id":"00000000-0000-0000-0000-000000000000","replay":{"file":"rows.csv","row":7,"column":"price","reason":"price","want":"a number",`
	for raw, rest := range map[string]string{
		"a,\"b\"": `"raw":"a,\"b\""}}`,
		"a\xffb":  `"raw_base64":"Yf9i"}}`,
	} {
		r.raw = []byte(raw)
		if got := string(appendRefused(nil, r)); got != want+rest {
			t.Errorf("got %s\nwant %s", got, want+rest)
		}
	}
}

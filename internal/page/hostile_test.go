package page

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// hostile are values that break out of quotes, of HTML, of lines and of buffers.
var hostile = map[string]string{
	"quotes":         `' OR 1=1 --`,
	"backslash":      `\' OR 1=1 --`,
	"backslashes":    `\\' OR 1=1 --`,
	"double quotes":  "\"`;",
	"html":           `</script><script>alert(1)</script><img src=x onerror=alert(1)>`,
	"emoji":          "👩‍👩‍👧‍👦🛒",
	"right to left":  "\u202eesrever\u202c שלום",
	"line ends":      "a\r\nevent: state\ndata: {}\n\n",
	"line separator": "a\u2028b",
	"macro":          "$__timeFilter(x) ${type} [[type]] $__all",
	"comment":        "/* -- */ {x:String}",
	"control":        "\x01\x1b[31m\x7f",
	"long":           strings.Repeat("x", maxValueBytes),
}

// TestHostileVariables: a value finds exactly the rows that hold it, whatever is in it.
func TestHostileVariables(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": `{"uid":"own","title":"Own","panels":[` +
		onePanel(1, "stat", "SELECT count() AS n FROM events WHERE user_id = ${user:singlequote} AND $__timeFilter_ms(timestamp)", "") + `,` +
		onePanel(2, "stat", "SELECT count() AS n FROM events WHERE $__conditionalAll(product_id IN (${product:singlequote}), $product)", "") +
		`],"templating":{"list":[{"name":"user","type":"textbox","query":""},{"name":"product","type":"query","multi":true,"includeAll":true,
		"query":"SELECT DISTINCT product_id FROM events ORDER BY product_id","datasource":{"type":"grafana-clickhouse-datasource","uid":"c"}}]}}`}))
	s.add(100, "purchase", "other", "other", "1", time.Now())
	for _, value := range hostile {
		s.add(2, "purchase", value, value, "1", time.Now())
	}
	for name, value := range hostile {
		for id, variable := range map[int]string{1: "user", 2: "product"} {
			a := read[Answer](s, fmt.Sprintf("/api/boards/own/panels/%d?var-%s=%s", id, variable, url.QueryEscape(value)))
			if a.Error != nil || len(a.Items) != 1 || a.Items[0].Text != "2" {
				t.Errorf("%s as a value of %s: got %+v, error %v, want its two rows", name, variable, a.Items, a.Error)
			}
		}
	}
	both := read[Answer](s, "/api/boards/own/panels/2?var-product=other&var-product="+url.QueryEscape(hostile["backslash"]))
	if got := both.Items[0].Text; got != "102" {
		t.Errorf("two values: got %s rows, want 102", got)
	}
	for _, v := range read[described](s, "/api/boards/own").Variables {
		if want := 1 + len(hostile); v.Name == "product" && len(v.Options) != want {
			t.Errorf("options of product: got %d (%s), want %d", len(v.Options), v.Error, want)
		}
	}
	s.get("/api/boards/own/panels/1?var-user="+strings.Repeat("x", 10_000), 400)
}

// TestHostileData: what rows hold comes out byte for byte, as data: no event of the
// stream begins inside of it.
func TestHostileData(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "table", "SELECT product_id AS product, user_id AS user FROM events ORDER BY product", ""),
		onePanel(2, "bargauge", "SELECT product_id AS product, count() AS n FROM events GROUP BY product ORDER BY product LIMIT 25", `"options":{"reduceOptions":{"values":true}}`),
		onePanel(3, "timeseries", "SELECT toStartOfHour(timestamp) AS time, product_id AS product, count() AS n FROM events GROUP BY time, product ORDER BY time, product", ""),
	)}))
	values := map[string]bool{}
	for _, value := range hostile {
		values[value] = true
		s.add(1, "purchase", value, value, "1", time.Now())
	}
	long := strings.Repeat("long ", 2000)
	s.add(1, "purchase", long, long, "1", time.Now())
	values[long[:maxValueBytes]+"…"] = true // a screen shows no more
	v := s.watch("board=own")
	for range 3 {
		a := until(v, "panel", func(Answer) bool { return true })
		var found []string
		switch a.ID {
		case 1:
			found = a.Fields[0].Text
		case 2:
			for _, item := range a.Items {
				found = append(found, item.Label)
			}
		case 3:
			for _, f := range a.Fields[1:] {
				found = append(found, f.Display)
			}
		}
		for _, text := range found {
			if !values[text] {
				t.Errorf("panel %d: got %.60q, which no row holds", a.ID, text)
			}
		}
		if len(found) != len(values) {
			t.Errorf("panel %d: got %d values, want %d (error %v)", a.ID, len(found), len(values), a.Error)
		}
	}
}

// TestRawVariable: free text never stands in SQL unquoted.
func TestRawVariable(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT ${user:singlequote}":                                 true,
		"SELECT $__conditionalAll(u = ${user:singlequote}, $user)":   true,
		"SELECT $__conditionalAll(u = ${user:singlequote}, ${user})": true,
		"SELECT $type":                      true, // its values are those of the file
		"SELECT $user":                      false,
		"SELECT ${user}":                    false,
		"SELECT [[user]]":                   false,
		"SELECT ${user:raw}":                false,
		"SELECT '${user}'":                  false,
		"SELECT ${user:singlequote}, $user": false,
	} {
		b, err := ParseBoard([]byte(`{"uid":"b","panels":[` + onePanel(1, "stat", sql, "") + `],"templating":{"list":[
			{"name":"user","type":"textbox","query":""},{"name":"type","type":"custom","query":"a,b"}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Panels[0].Unknown == ""; got != want {
			t.Errorf("%s: drawn %t, want %t (%s)", sql, got, want, b.Panels[0].Unknown)
		}
	}
}

// TestHugeTexts: 120 events with texts of 900 kB cost a viewer no more than a screen's
// worth, and are no choices: one answer was 180 MB.
func TestHugeTexts(t *testing.T) {
	s := newSite(t, "")
	s.engine.Query(t, s.database, `INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset)
		SELECT generateUUIDv4(), 'purchase', repeat('é', 450000 + number) AS huge, huge, 1, now64(3), now64(3), 0, 0, number FROM numbers(120) SETTINGS max_block_size = 10`)
	s.add(1, "purchase", "user_1", "prod_1", "1", time.Now())
	if got := len(s.get("/api/boards/clickstream-shop", 200)); got > 64<<10 {
		t.Errorf("board: got %d bytes, want at most 64 KiB", got)
	}
	for _, p := range read[described](s, "/api/boards/clickstream-shop").Panels {
		if got := len(s.get(fmt.Sprintf("/api/boards/clickstream-shop/panels/%d", p.ID), 200)); got > 64<<10 {
			t.Errorf("panel %q: got %d bytes, want at most 64 KiB", p.Title, got)
		}
	}
	for _, v := range read[described](s, "/api/boards/clickstream-shop").Variables {
		if got := fmt.Sprint(v.Options); v.Name == "product" && (!strings.Contains(got, "prod_1") || len(got) > 10_000) {
			t.Errorf("choices of product: got %.200s, want prod_1 and no text of 900 kB", got)
		}
	}
}

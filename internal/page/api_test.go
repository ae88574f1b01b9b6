package page

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestShippedBoards: the page draws everything that our own dashboards hold.
func TestShippedBoards(t *testing.T) {
	s := newSite(t, "")
	list := read[struct {
		Boards        []listed
		Home, Version string
		Units         map[string]Unit
	}](s, "/api/boards")
	if list.Home != home || list.Version != "1.2.3" || len(list.Units) < 10 || len(list.Boards) < 2 {
		t.Errorf("list: got home %q, version %q, %d units, %d boards", list.Home, list.Version, len(list.Units), len(list.Boards))
	}
	for _, l := range list.Boards {
		b := read[described](s, "/api/boards/"+l.UID)
		if l.Error != "" || b.Error != "" || len(b.Unknown) > 0 {
			t.Errorf("board %s: got %q %q %q, want all of it drawn", l.UID, l.Error, b.Error, b.Unknown)
		}
		for _, v := range b.Variables {
			if v.Error != "" {
				t.Errorf("board %s, variable %s: %s", l.UID, v.Name, v.Error)
			}
		}
		for _, p := range b.Panels {
			if p.Unknown != "" {
				t.Errorf("board %s, panel %q: %s", l.UID, p.Title, p.Unknown)
			}
			for _, r := range Ranges {
				a := read[Answer](s, fmt.Sprintf("/api/boards/%s/panels/%d?range=%s", l.UID, p.ID, r))
				if a.Error != nil {
					t.Errorf("board %s, panel %q, empty tables, %s: %s", l.UID, p.Title, r, a.Error.Message)
				}
			}
		}
	}
}

// TestPanelNumbers: what a panel answers is what the table holds, from SQL to text.
func TestPanelNumbers(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "stat", "SELECT sum(price) AS revenue FROM events WHERE $__timeFilter_ms(timestamp)", `"options":{"graphMode":"none"},"fieldConfig":{"defaults":{"unit":"currencyUSD","decimals":2,"color":{"mode":"thresholds"},"thresholds":{"mode":"absolute","steps":[{"color":"red","value":null},{"color":"green","value":100}]}},"overrides":[]}`),
		onePanel(2, "timeseries", "SELECT toStartOfInterval(timestamp, INTERVAL 1 MINUTE) AS time, toString(event_type) AS type, count() AS events FROM events WHERE $__timeFilter_ms(timestamp) GROUP BY time, type ORDER BY time, type", `"fieldConfig":{"defaults":{"displayName":"${__field.labels.type}","color":{"mode":"palette-classic"}},"overrides":[{"matcher":{"id":"byName","options":"purchase"},"properties":[{"id":"color","value":{"mode":"fixed","fixedColor":"#ff0000"}}]}]},"options":{"legend":{"calcs":["sum"]}}`),
		onePanel(3, "piechart", "SELECT toString(event_type) AS type, count() AS events FROM events GROUP BY type ORDER BY type", `"options":{"reduceOptions":{"values":true}},"fieldConfig":{"defaults":{"color":{"mode":"palette-classic"}},"overrides":[]}`),
		onePanel(4, "bargauge", "SELECT ['a', 'b'][number + 1] AS step, [100, 25][number + 1] AS users FROM numbers(2) ORDER BY users DESC", `"options":{"reduceOptions":{"values":true}},"fieldConfig":{"defaults":{"min":0},"overrides":[]}`),
		onePanel(5, "table", "SELECT 'x' AS name, toUInt64(9007199254740993) AS big, NULL AS nothing, toFloat64('nan') AS nan, toDateTime64('2026-01-15 14:30:10.400', 3, 'UTC') AS at, [1, 2] AS list, true AS yes, toDecimal64(1.5, 4) AS price, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS id, toInt256('-5') AS wide", `"fieldConfig":{"defaults":{"noValue":"none"},"overrides":[{"matcher":{"id":"byName","options":"price"},"properties":[{"id":"unit","value":"percentunit"}]}]}`),
	)}))
	at := time.Now().Add(-time.Minute)
	s.add(2, "purchase", "u", "p", "'60.05'", at)
	s.add(6, "page_view", "u", "p", "0", at)

	revenue := s.panel("own", "panel 1", "range=5m")
	if want := []Item{{Label: "revenue", Value: 120.1, Text: "$120.10", Color: "green", Percent: 0}}; fmt.Sprint(revenue.Items) != fmt.Sprint(want) {
		t.Errorf("stat: got %v, want %v (error %v)", revenue.Items, want, revenue.Error)
	}
	lines := s.panel("own", "panel 2", "range=5m")
	var got []string
	for _, f := range lines.Fields {
		got = append(got, fmt.Sprintf("%s %s %s %v %v", f.Display, f.Kind, f.Color, len(f.Values), f.Legend))
	}
	if want := "time time  1 []; page_view number green 1 [{sum 6}]; purchase number #ff0000 1 [{sum 2}]"; strings.Join(got, "; ") != want {
		t.Errorf("timeseries:\n got %s\nwant %s", strings.Join(got, "; "), want)
	}
	shares := s.panel("own", "panel 3", "range=5m")
	if got, want := fmt.Sprint(shares.Items), "[{page_view 6 6 green 0.75} {purchase 2 2 semi-dark-yellow 0.25}]"; got != want || shares.Total != "8" {
		t.Errorf("pie:\n got %s\nwant %s", got, want)
	}
	bars := s.panel("own", "panel 4", "range=5m")
	if got, want := fmt.Sprint(bars.Items), "[{a 100 100 green 1} {b 25 25 green 0.25}]"; got != want {
		t.Errorf("bars:\n got %s\nwant %s", got, want)
	}
	cells := s.panel("own", "panel 5", "range=5m")
	got = nil
	for _, f := range cells.Fields {
		got = append(got, fmt.Sprintf("%s %s %v %v", f.Name, f.Kind, f.Values, f.Text))
	}
	want := "name string [x] [x]; big number [9.007199254740992e+15] [9007199254740992]; nothing string [<nil>] [none]; nan number [<nil>] [none]; " +
		"at time [1.7684874104e+12] []; list string [[1,2]] [[1,2]]; yes bool [true] [true]; price number [1.5] [150%]; " +
		"id string [61f0c404-5cb3-11e7-907b-a6006ad3dba0] [61f0c404-5cb3-11e7-907b-a6006ad3dba0]; wide number [-5] [-5]"
	if strings.Join(got, "; ") != want {
		t.Errorf("table:\n got %s\nwant %s", strings.Join(got, "; "), want)
	}
}

func TestCounts(t *testing.T) {
	s := newSite(t, "")
	if got, want := s.get("/api/counts", 200), `{"total":0,"good":0,"bad":0}`; got != want {
		t.Errorf("empty tables: got %s, want %s", got, want)
	}
	s.add(5, "purchase", "u", "p", "1", time.Now())
	for range 2 { // the second time as after a crash: the same record again
		s.engine.Query(t, s.database, `INSERT INTO dead_letters (reason, field, message, payload, received_at, _stream, _partition, _offset)
			SELECT 'r', 'f', 'm', 'p', now64(3), 1, 0, number FROM numbers(3)`)
	}
	if got, want := s.get("/api/counts", 200), `{"total":8,"good":5,"bad":3}`; got != want {
		t.Errorf("counts: got %s, want %s", got, want)
	}
}

// TestOwnBoard: a copy of a shipped board with one more panel renders without a
// change of code, and one that is saved while the page runs appears.
func TestOwnBoard(t *testing.T) {
	raw, err := os.ReadFile("../../grafana/dashboards/shop.json")
	if err != nil {
		t.Fatal(err)
	}
	var board map[string]any
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	var extra any
	if err := json.Unmarshal([]byte(onePanel(999, "stat", "SELECT uniqExact(product_id) AS products FROM events", "")), &extra); err != nil {
		t.Fatal(err)
	}
	shipped := len(board["panels"].([]any))
	board["uid"], board["title"], board["panels"] = "mine", "Mine", append(board["panels"].([]any), extra)
	mine, err := json.Marshal(board)
	if err != nil {
		t.Fatal(err)
	}
	folder := own(t, map[string]string{"mine.json": string(mine)})
	s := newSite(t, folder)
	s.add(1, "page_view", "u", "one", "0", time.Now())
	s.add(1, "page_view", "u", "two", "0", time.Now())
	if got := len(read[described](s, "/api/boards/mine").Panels); got != shipped+1 {
		t.Errorf("panels: got %d, want those of the shipped board (%d) and one", got, shipped)
	}
	if got := s.panel("mine", "panel 999", "").Items; len(got) != 1 || got[0].Text != "2" {
		t.Errorf("the added panel: got %v, want 2", got)
	}
	if err := os.WriteFile(filepath.Join(folder, "late.json"), []byte(oneBoard("late")), 0o644); err != nil {
		t.Fatal(err)
	}
	await(t, "the board that was saved later", func() error {
		if list := s.get("/api/boards", 200); !strings.Contains(list, `"late"`) {
			return fmt.Errorf("boards: %.200s", list)
		}
		return nil
	})
}

// TestBadBoards: the page starts, shows why, and goes on with the others.
func TestBadBoards(t *testing.T) {
	s := newSite(t, own(t, map[string]string{
		"1-broken.json": "{\n\"uid\": \"x\",\n\"panels\": [}",
		"2-v2.json":     `{"apiVersion":"dashboard.grafana.app/v2beta1","kind":"Dashboard","spec":{"elements":{}}}`,
		"3-empty.json":  ``,
		"4-taken.json":  oneBoard(home),
		"5-ids.json":    oneBoard("ids", onePanel(1, "stat", "SELECT 1", ""), onePanel(1, "stat", "SELECT 1", "")),
		"6-type.json":   `{"uid":"t","title":5,"panels":[]}`,
		"7-good.json":   oneBoard("good", onePanel(1, "stat", "SELECT 1", "")),
	}))
	want := map[string]string{
		"1-broken.json": "line 3: invalid character", "2-v2.json": "dashboard of schema v2: want v1", "3-empty.json": "unexpected end of JSON",
		"4-taken.json": `uid "clickstream-shop" is that of shop.json already`, "5-ids.json": `panel 2 ("panel 1"): want an id of its own, got 1 again`,
		"6-type.json": "title: want string, got number",
	}
	found := 0
	for _, l := range read[struct{ Boards []listed }](s, "/api/boards").Boards {
		name := filepath.Base(l.Title)
		if text, bad := want[name]; bad {
			found++
			b := read[described](s, "/api/boards/"+url.PathEscape(l.UID))
			if !strings.Contains(l.Error, text) || b.Error != l.Error || len(b.Panels) != 0 {
				t.Errorf("%s: got %q and %q, want %q", name, l.Error, b.Error, text)
			}
		}
	}
	if found != len(want) {
		t.Errorf("%d bad files are listed, want %d", found, len(want))
	}
	if got := s.panel("good", "panel 1", "").Items; len(got) != 1 || got[0].Text != "1" {
		t.Errorf("the board beside them: got %v, want 1", got)
	}
}

// TestUnknown: what the page does not draw says so, by name.
func TestUnknown(t *testing.T) {
	for name, tc := range map[string]struct{ panel, want string }{
		"type":           {onePanel(1, "heatmap", "SELECT 1", ""), `panel type "heatmap"`},
		"option":         {onePanel(1, "stat", "SELECT 1", `"options":{"sparkle":true}`), "option sparkle"},
		"option's value": {onePanel(1, "stat", "SELECT 1", `"options":{"colorMode":"rainbow"}`), "option colorMode: rainbow (known: none, value, background, background_solid)"},
		"stacking":       {onePanel(1, "timeseries", "SELECT 1", `"fieldConfig":{"defaults":{"custom":{"stacking":{"mode":"percent"}}},"overrides":[]}`), "field setting custom.stacking.mode: percent"},
		"calculation":    {onePanel(1, "stat", "SELECT 1", `"options":{"reduceOptions":{"calcs":["median"]}}`), "option reduceOptions.calcs: median"},
		"unit":           {onePanel(1, "stat", "SELECT 1", `"fieldConfig":{"defaults":{"unit":"furlongs"},"overrides":[]}`), "field setting unit: furlongs"},
		"custom":         {onePanel(1, "timeseries", "SELECT 1", `"fieldConfig":{"defaults":{"custom":{"drawStyle":"spiral"}},"overrides":[]}`), "field setting custom.drawStyle: spiral"},
		"override":       {onePanel(1, "stat", "SELECT 1", `"fieldConfig":{"defaults":{},"overrides":[{"matcher":{"id":"byName","options":"a"},"properties":[{"id":"custom.glow","value":3}]}]}`), "override of custom.glow"},
		"matcher":        {onePanel(1, "stat", "SELECT 1", `"fieldConfig":{"defaults":{},"overrides":[{"matcher":{"id":"byValue","options":"a"},"properties":[]}]}`), `override matcher "byValue"`},
		"macro":          {onePanel(1, "stat", "SELECT $__columns(a, b)", ""), "macro $__columns"},
		"transformation": {onePanel(1, "table", "SELECT 1", `"transformations":[{"id":"merge","options":{}}]`), `transformation "merge"`},
		"repeat":         {onePanel(1, "stat", "SELECT 1", `"repeat":"type"`), "panel key repeat"},
		"data source":    {strings.Replace(onePanel(1, "stat", "SELECT 1", ""), "grafana-clickhouse-datasource", "prometheus", 1), "a data source that is not"},
		"no query":       {`{"id":1,"type":"stat","title":"t","gridPos":{"x":0,"y":0,"w":1,"h":1}}`, "0 queries in one panel"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := ParseBoard([]byte(oneBoard("b", tc.panel)))
			if err != nil {
				t.Fatal(err)
			}
			if got := b.Panels[0].Unknown; !strings.HasPrefix(got, "not supported: ") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q in it", got, tc.want)
			}
		})
	}
}

// TestErrorsAreTheServers: a card shows ClickHouse's own words and its code.
func TestErrorsAreTheServers(t *testing.T) {
	s := newSite(t, own(t, map[string]string{"own.json": oneBoard("own",
		onePanel(1, "stat", "SELECT nonsense FROM events", ""),
		onePanel(2, "stat", "INSERT INTO events (user_id) VALUES ('x')", ""),
		onePanel(3, "stat", "SELECT number FROM numbers(1000000)", ""),
		onePanel(4, "timeseries", "SELECT toDateTime(arrayJoin([2, 1])) AS time, 1 AS v", ""),
		onePanel(5, "stat", "SELECT $__timeFilter_ms()", ""),
		onePanel(6, "heatmap", "SELECT 1", ""),
		onePanel(7, "stat", "SELECT 1 SETTINGS readonly = 0", ""),
	)}))
	for id, want := range map[int]Failure{
		1: {"nonsense", 47}, 2: {"readonly", 164}, 3: {"20", 396}, 4: {"ORDER BY time", 0}, 5: {"$__timeFilter_ms: want 1 arguments", 0},
		6: {"not supported: panel type", 0}, 7: {"readonly", 164},
	} {
		a := read[Answer](s, fmt.Sprintf("/api/boards/own/panels/%d", id))
		if a.Error == nil || !strings.Contains(a.Error.Message, want.Message) || a.Error.Code != want.Code {
			t.Errorf("panel %d: got %+v, want %+v", id, a.Error, want)
		}
	}
	if got := s.engine.Query(t, s.database, "SELECT count() FROM events"); got != "0" {
		t.Errorf("a panel has written %s rows", got)
	}
	for path, status := range map[string]int{
		"/api/boards/none": 404, "/api/boards/own/panels/99": 404, "/api/boards/own/panels/x": 404, "/api/live?board=none": 404,
		"/api/nothing": 404, "/nothing": 404, "/../server.go": 404, "/api/boards/own/panels/1?range=7y": 400, "/api/live?board=own&points=x": 400,
	} {
		if body := s.get(path, status); !strings.Contains(body, `{"error":{"message":"`) {
			t.Errorf("%s: got %s, want a sentence", path, body)
		}
	}
}

package page

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzBoard: whatever a file holds, it is a board that can be listed, drawn and
// asked for, or an error.
func FuzzBoard(f *testing.F) {
	f.Add(oneBoard("a", onePanel(1, "table", "SELECT $__timeFilter(x)", `"transformations":[{"id":"organize","options":{"renameByName":{"a":"b"}}},{"id":"limit","options":{}}]`)))
	f.Add(`{"uid":"a","panels":[{"id":1,"type":"stat","fieldConfig":{"defaults":{"mappings":[{"type":"regex","options":{"pattern":"("}}]}}}]}`)
	f.Add(`{"dashboard":{"uid":"a","panels":[{"type":"row","collapsed":true,"panels":[]}],"templating":{"list":[{"name":"a","type":"custom","query":"x : y"}]}}}`)
	columns := []column{
		{name: "time", kind: kindTime, values: []any{int64(1), int64(2)}}, {name: "text", kind: kindString, values: []any{"a", nil}},
		{name: "n", kind: kindNumber, values: []any{1.5, nil}}, {name: "yes", kind: kindBool, values: []any{true, false}},
	}
	f.Fuzz(func(t *testing.T, raw string) {
		b, err := ParseBoard([]byte(raw))
		if err != nil {
			return
		}
		if b.UID == "" || b.Title == "" || b.Refresh < minRefresh || b.Refresh > maxRefresh {
			t.Errorf("board %+v", b)
		}
		r, err := parseRequest(b, nil, asked)
		if err != nil {
			t.Errorf("its own request: %v", err)
		}
		for _, p := range b.Panels {
			_ = r.key(p)
			var a Answer
			if p.Unknown == "" && p.fill(&a, columns) == nil {
				if _, err := json.Marshal(a); err != nil {
					t.Errorf("panel %d: %v", p.ID, err)
				}
			}
		}
	})
}

// TestBoardForms: the forms in which Grafana hands dashboards out.
func TestBoardForms(t *testing.T) {
	plain := oneBoard("a", onePanel(1, "stat", "SELECT 1", ""))
	for name, raw := range map[string]string{
		"file":          plain,
		"byte order":    "\ufeff" + plain,
		"API":           `{"meta":{},"dashboard":` + plain + `}`,
		"shared export": strings.Replace(plain, `{"uid"`, `{"__inputs":[],"__requires":[],"uid"`, 1),
	} {
		b, err := ParseBoard([]byte(raw))
		if err != nil || b.UID != "a" || len(b.Panels) != 1 || b.Panels[0].Unknown != "" {
			t.Errorf("%s: got %+v, %v", name, b, err)
		}
	}
	for from, want := range map[string]string{"now-5m": "5m", "now-10m": "15m", "now-1d": "24h", "now-7d": "24h", "now/d": "5m", "": "5m"} {
		if got := rangeOf(from); got != want {
			t.Errorf("range of %q: got %s, want %s", from, got, want)
		}
	}
	for raw, want := range map[string]string{`"1s"`: "1s", `"10ms"`: "1s", `"5s"`: "5s", `"1d"`: "1s", `false`: "1s", `"2h"`: "1m0s", ``: "1s"} {
		if got := refreshOf(json.RawMessage(raw)).String(); got != want {
			t.Errorf("refresh of %s: got %s, want %s", raw, got, want)
		}
	}
}

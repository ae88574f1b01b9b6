package grafana

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"clickstream/internal/page"
)

// dashboard is the part of Grafana's JSON that these tests look at.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Editable      bool    `json:"editable"`
	Refresh       string  `json:"refresh"`
	Panels        []panel `json:"panels"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Datasource datasource `json:"datasource"`
	GridPos    struct{ H, W, X, Y int }
	Targets    []target `json:"targets"`
}

type target struct {
	Datasource datasource `json:"datasource"`
	Format     int        `json:"format"`
	RawSQL     string     `json:"rawSql"`
}

type datasource struct{ Type, UID string }

// timeSeries is the format of a target whose rows are points in time.
const timeSeries = 0

// load reads every dashboard, by file name.
func load(t *testing.T) map[string]dashboard {
	t.Helper()
	names, err := fs.Glob(Dashboards(), "*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("dashboards: %v, %v", names, err)
	}
	all := map[string]dashboard{}
	for _, name := range names {
		raw, err := fs.ReadFile(Dashboards(), name)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = d
	}
	return all
}

// allowed are the macros that both Grafana and the page without it expand alike
// and that do not hide the newest second of a DateTime64.
var allowed = []string{
	"$__timeFilter_ms", "$__timeInterval_ms", "$__interval_s", "$__interval_ms", "$__fromTime_ms", "$__toTime_ms", "$__conditionalAll",
}

func TestDashboardsAreSound(t *testing.T) {
	var source struct {
		Datasources []datasource
	}
	read(t, "provisioning/datasources/clickhouse.yaml", &source)
	want := source.Datasources[0]
	uids := map[string]bool{}
	for name, d := range load(t) {
		if d.UID == "" || uids[d.UID] {
			t.Errorf("%s: uid: got %q, want one of its own", name, d.UID)
		}
		uids[d.UID] = true
		if d.Editable || d.Refresh != "1s" || d.SchemaVersion != 41 {
			t.Errorf("%s: editable, refresh, schemaVersion: got %t %q %d, want false 1s 41", name, d.Editable, d.Refresh, d.SchemaVersion)
		}
		for _, p := range d.Panels {
			if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W < 1 || p.GridPos.H < 1 {
				t.Errorf("%s, %q: lies outside the grid of 24 columns: %+v", name, p.Title, p.GridPos)
			}
			for _, g := range p.Targets {
				if g.Datasource != want || p.Datasource != want {
					t.Errorf("%s, %q: data source: got %+v, want %+v", name, p.Title, g.Datasource, want)
				}
				for _, m := range regexp.MustCompile(`\$__\w+`).FindAllString(g.RawSQL, -1) {
					if !slices.Contains(allowed, m) {
						t.Errorf("%s, %q: macro %s: want one of %s", name, p.Title, m, strings.Join(allowed, " "))
					}
				}
			}
		}
	}
}

// read decodes a YAML file.
func read(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestEveryPanelRuns runs each panel on empty tables: whatever is added later runs
// on the real engine, and a time series comes in the order of time.
func TestEveryPanelRuns(t *testing.T) {
	s := newShop(t)
	q := page.Query{From: now.Add(-5 * time.Minute), To: now, Interval: time.Second}
	for name, d := range load(t) {
		for _, p := range d.Panels {
			for _, g := range p.Targets {
				got := s.run(t, p.Title, q)
				if head, _, _ := strings.Cut(got, "\n"); g.Format == timeSeries && !strings.HasPrefix(head, "time\t") {
					t.Errorf("%s, %q: first column of a time series: got %q, want time", name, p.Title, head)
				}
				if g.Format == timeSeries && !strings.Contains(g.RawSQL, "ORDER BY time") {
					t.Errorf("%s, %q: a time series must say ORDER BY time", name, p.Title)
				}
			}
		}
	}
}

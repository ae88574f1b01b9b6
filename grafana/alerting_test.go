package grafana

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// The keys of Grafana 13's alerting files, as its documentation of file provisioning
// lists them; a key that is not here is an error.
type ruleFile struct {
	APIVersion int `yaml:"apiVersion"`
	Groups     []struct {
		OrgID    int    `yaml:"orgId"`
		Name     string `yaml:"name"`
		Folder   string `yaml:"folder"`
		Interval string `yaml:"interval"`
		Rules    []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	UID          string            `yaml:"uid"`
	Title        string            `yaml:"title"`
	Condition    string            `yaml:"condition"`
	For          string            `yaml:"for"`
	NoDataState  string            `yaml:"noDataState"`
	ExecErrState string            `yaml:"execErrState"`
	DashboardUID string            `yaml:"dashboardUid"`
	PanelID      int               `yaml:"panelId"`
	Annotations  map[string]string `yaml:"annotations"`
	Labels       map[string]string `yaml:"labels"`
	Data         []query           `yaml:"data"`
}

type query struct {
	RefID         string `yaml:"refId"`
	DatasourceUID string `yaml:"datasourceUid"`
	Range         struct {
		From, To int
	} `yaml:"relativeTimeRange"`
	Model model `yaml:"model"`
}

type model struct {
	RefID      string     `yaml:"refId"`
	Datasource datasource `yaml:"datasource"`
	EditorType string     `yaml:"editorType"`
	QueryType  string     `yaml:"queryType"`
	Format     int        `yaml:"format"`
	RawSQL     string     `yaml:"rawSql"`
	Type       string     `yaml:"type"`
	Expression string     `yaml:"expression"`
	Reducer    string     `yaml:"reducer"`
	Conditions []struct {
		Evaluator struct {
			Type   string
			Params []float64
		}
	} `yaml:"conditions"`
}

// strict decodes a YAML file that may hold no key but those of into.
func strict(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// rules are all alert rules, by uid.
func rules(t *testing.T) map[string]rule {
	t.Helper()
	var file ruleFile
	strict(t, "provisioning/alerting/rules.yaml", &file)
	all := map[string]rule{}
	for _, g := range file.Groups {
		if every, err := time.ParseDuration(g.Interval); err != nil || every%(10*time.Second) != 0 || g.OrgID != 1 || g.Folder == "" {
			t.Errorf("group %q: got interval %s, org %d, folder %q; want tens of seconds, 1 and a folder", g.Name, g.Interval, g.OrgID, g.Folder)
		}
		for _, r := range g.Rules {
			all[r.UID] = r
		}
	}
	return all
}

func TestAlertRulesAreSound(t *testing.T) {
	all := rules(t)
	got := strings.Join(slices.Sorted(maps.Keys(all)), " ")
	want := "clickstream-dead-letters clickstream-delay clickstream-duplicates clickstream-freshness clickstream-lag clickstream-missing clickstream-no-data"
	if got != want {
		t.Fatalf("rules\n got %s\nwant %s", got, want)
	}
	panels := map[int]string{}
	for _, p := range load(t)["health.json"].Panels {
		panels[p.ID] = p.Title
	}
	raw, err := os.ReadFile("provisioning/alerting/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("$")) {
		t.Error("rules.yaml: holds a $, which Grafana takes for a variable of the environment")
	}
	for uid, r := range all {
		if !regexp.MustCompile(`^[\w-]{1,40}$`).MatchString(uid) {
			t.Errorf("%s: want a uid of 1 to 40 letters, digits, - and _", uid)
		}
		if _, err := time.ParseDuration(r.For); err != nil || !slices.Contains([]string{"OK", "Alerting", "NoData"}, r.NoDataState) || r.ExecErrState != "Error" {
			t.Errorf("%s: got for %q, noDataState %q, execErrState %q", uid, r.For, r.NoDataState, r.ExecErrState)
		}
		if title := panels[r.PanelID]; r.DashboardUID != "clickstream-health" || title == "" || !bytes.Contains(raw, []byte("panelId: "+strconv.Itoa(r.PanelID)+" # "+title+"\n")) {
			t.Errorf("%s: panel %d of %s is %q: want the one of its comment", uid, r.PanelID, r.DashboardUID, title)
		}
		if r.Annotations["__dashboardUid__"] != r.DashboardUID || r.Annotations["__panelId__"] != strconv.Itoa(r.PanelID) || r.Annotations["summary"] == "" {
			t.Errorf("%s: annotations %v do not name its panel and what it means", uid, r.Annotations)
		}
		checkSteps(t, r)
	}
}

// checkSteps: a query, its last value, a limit, each of the one before.
func checkSteps(t *testing.T, r rule) {
	t.Helper()
	if len(r.Data) != 3 || r.Condition != "C" {
		t.Fatalf("%s: got %d steps and condition %s, want A, B and C", r.UID, len(r.Data), r.Condition)
	}
	for i, q := range r.Data {
		if id := string(rune('A' + i)); q.RefID != id || q.Model.RefID != id || q.Model.Datasource.UID != q.DatasourceUID {
			t.Errorf("%s: step %d is called %s and %s, of %s", r.UID, i, q.RefID, q.Model.RefID, q.Model.Datasource.UID)
		}
	}
	a, b, c := r.Data[0], r.Data[1].Model, r.Data[2].Model
	if a.DatasourceUID != "clickhouse" || a.Model.Format != 1 || a.Model.QueryType != "table" || a.Range.From <= a.Range.To {
		t.Errorf("%s: A: got %+v", r.UID, a)
	}
	if b.Type != "reduce" || b.Expression != "A" || b.Reducer != "last" || c.Type != "threshold" || c.Expression != "B" || len(c.Conditions) != 1 {
		t.Errorf("%s: got B %+v and C %+v", r.UID, b, c)
	}
}

// state is what Grafana would make of a rule now: "firing", "ok", or what the rule says
// for no data.
func (s shop) state(t *testing.T, r rule) string {
	t.Helper()
	value := s.server.Query(t, s.database, r.Data[0].Model.RawSQL)
	if value == "" {
		return map[string]string{"Alerting": "firing", "OK": "ok"}[r.NoDataState]
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		t.Fatalf("%s: got %q, want one number", r.UID, value)
	}
	limit := r.Data[2].Model.Conditions[0].Evaluator
	if limit.Type == "gt" && v > limit.Params[0] || limit.Type == "lt" && v < limit.Params[0] {
		return "firing"
	}
	return "ok"
}

// TestAlertsFire plants what each rule is about, and what looks like it and is not.
func TestAlertsFire(t *testing.T) {
	all := rules(t)
	kafka := func(offset, n int, stored time.Duration) visit {
		return visit{n: n, kind: "page_view", ofKafka: true, offset: offset, stored: stored, delay: 100 * time.Millisecond}
	}
	lag := func(values ...int) func(*testing.T, shop) {
		return func(t *testing.T, s shop) {
			for i, v := range values { // the last is the newest minute
				before := int(time.Since(now).Seconds()) * -1
				s.say(t, said{before + 60*(len(values)-1-i) + 25, 0, strconv.Itoa(v) + ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0"})
			}
		}
	}
	events := func(visits ...visit) func(*testing.T, shop) {
		return func(t *testing.T, s shop) {
			if len(visits) > 0 {
				s.store(t, visits...)
			}
		}
	}
	letter := func(before time.Duration) func(*testing.T, shop) {
		return func(t *testing.T, s shop) { s.letter(t, "price", 0, 3, time.Since(now)-before, 1) }
	}
	for name, tc := range map[string]struct {
		plant      func(*testing.T, shop)
		rule, want string
		alsoQuiet  bool // every rule about records says ok too
	}{
		"nothing was ever stored":      {events(), "freshness", "firing", false},
		"stored a minute ago":          {events(kafka(0, 5, -time.Minute)), "freshness", "firing", true},
		"stored now":                   {events(kafka(0, 5, 0)), "freshness", "ok", true},
		"fast":                         {events(kafka(0, 100, -time.Second)), "delay", "ok", true},
		"2 of 100 are late":            {events(kafka(0, 98, -time.Second), visit{n: 2, kind: "purchase", delay: 6 * time.Second, stored: -time.Second}), "delay", "firing", false},
		"late, but long ago":           {events(visit{kind: "purchase", delay: time.Hour, stored: -2 * time.Minute}), "delay", "ok", false},
		"no rows to be late":           {events(), "delay", "ok", false},
		"a dead letter":                {letter(time.Minute), "dead-letters", "firing", false},
		"a dead letter of before":      {letter(6 * time.Minute), "dead-letters", "ok", false},
		"lag grows":                    {lag(100, 200, 300, 400, 500, 600), "lag", "firing", false},
		"lag grew and fell":            {lag(100, 200, 300, 400, 500, 450), "lag", "ok", false},
		"lag stays":                    {lag(900, 900, 900, 900, 900, 900), "lag", "ok", false},
		"lag grows by crumbs":          {lag(1, 2, 3, 4, 5, 6), "lag", "ok", false},
		"lag grew, of a young process": {lag(100, 5000), "lag", "ok", false},
		"a record twice":               {events(kafka(0, 10, -time.Minute), kafka(5, 1, -50*time.Second)), "duplicates", "firing", false},
		"each record once":             {events(kafka(0, 10, -time.Minute), kafka(10, 10, -50*time.Second)), "duplicates", "ok", true},
		"a record is missing":          {events(kafka(0, 10, -2*time.Minute), kafka(11, 9, -time.Minute)), "missing", "firing", false},
		"a letter fills the gap": {func(t *testing.T, s shop) {
			s.store(t, kafka(0, 3, -2*time.Minute), kafka(4, 9, -time.Minute))
			s.letter(t, "price", 0, 3, time.Since(now)-10*time.Second, 1)
		}, "missing", "ok", false},
		"a gap that may still close": {events(kafka(0, 10, -time.Minute), kafka(20, 9, -5*time.Second)), "missing", "ok", false},
		"no consumer":                {events(kafka(0, 5, 0)), "no-data", "firing", false},
		"a consumer":                 {lag(1), "no-data", "ok", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			tc.plant(t, s)
			if got := s.state(t, all["clickstream-"+tc.rule]); got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.rule, got, tc.want)
			}
			for _, other := range []string{"duplicates", "missing", "dead-letters"} {
				if got := s.state(t, all["clickstream-"+other]); tc.alsoQuiet && got != "ok" {
					t.Errorf("%s: got %s, want ok", other, got)
				}
			}
		})
	}
}

// TestContactPoint: one webhook, its address from the environment, and every alert goes
// there.
func TestContactPoint(t *testing.T) {
	var file struct {
		APIVersion    int `yaml:"apiVersion"`
		ContactPoints []struct {
			OrgID     int `yaml:"orgId"`
			Name      string
			Receivers []struct {
				UID, Type string
				Settings  struct {
					URL        string `yaml:"url"`
					HTTPMethod string `yaml:"httpMethod"`
				}
			}
		} `yaml:"contactPoints"`
		Policies []struct {
			OrgID          int `yaml:"orgId"`
			Receiver       string
			GroupBy        []string `yaml:"group_by"`
			GroupWait      string   `yaml:"group_wait"`
			GroupInterval  string   `yaml:"group_interval"`
			RepeatInterval string   `yaml:"repeat_interval"`
		}
	}
	strict(t, "provisioning/alerting/contact.yaml", &file)
	point, policy := file.ContactPoints[0], file.Policies[0]
	if r := point.Receivers[0]; r.Type != "webhook" || r.Settings.URL != "${ALERT_WEBHOOK}" || r.UID == "" {
		t.Errorf("receiver: got %+v, want a webhook to ${ALERT_WEBHOOK}", r)
	}
	if policy.Receiver != point.Name || len(file.Policies) != 1 {
		t.Errorf("policy: got receiver %q, want %q", policy.Receiver, point.Name)
	}
}

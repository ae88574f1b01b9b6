package simulator

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"clickstream/config"
	"clickstream/internal/corpus"
)

// TestScenarioDefaults: what a file leaves out has the value of config/scenario.yaml.
func TestScenarioDefaults(t *testing.T) {
	got, err := parseScenario("scenario.yaml", config.Scenario())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.timeline) != 2 {
		t.Errorf("timeline: got %d entries, want a campaign and a sale", len(got.timeline))
	}
	got.timeline = nil
	for _, text := range []string{"", "# nothing\n", "catalog: {}\n"} {
		want, err := parseScenario("empty.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("config/scenario.yaml differs from the defaults in the code\n got %+v\nwant %+v", got, want)
		}
	}
}

// TestScenarioErrors: an error names file, line, column and field, and how to mend it.
func TestScenarioErrors(t *testing.T) {
	for text, want := range map[string]string{
		"funnel:\n  add_to_crat: 0.1":                                             `s.yaml:2:3: funnel: no field "add_to_crat" here: did you mean "add_to_cart"?`,
		"colour: blue":                                                            `s.yaml:1:1: no field "colour" here: want one of catalog, funnel, rhythm, sessions, time_factor, timeline`,
		"funnel:\n  add_to_cart: 4.7":                                             `s.yaml:2:16: funnel.add_to_cart: want a number from 0 to 1, got "4.7"`,
		"funnel:\n  add_to_cart: 5%":                                              `s.yaml:2:16: funnel.add_to_cart: want a number from 0 to 1, got "5%"`,
		"funnel: {purchase: .nan}":                                                `s.yaml:1:20: funnel.purchase: want a number from 0 to 1, got ".nan"`,
		"catalog: {products: 2.5}":                                                `s.yaml:1:21: catalog.products: want a whole number from 2 to 10000, got "2.5"`,
		"catalog: 7":                                                              `s.yaml:1:10: catalog: want fields (products, zipf), got "7"`,
		"catalog: {zipf: 1, zipf: 2}":                                             `s.yaml:1:20: catalog.zipf: given twice: remove one of the two`,
		"time_factor: 0":                                                          `s.yaml:1:14: time_factor: want a number from 0.001 to 8766, got "0"`,
		"sessions: {dwell: {scale: 18}}":                                          `s.yaml:1:27: sessions.dwell.scale: want a duration from 1ms to 24h0m0s, like 90s or 10m, got "18"`,
		"rhythm: {hours: [1, 2]}":                                                 `s.yaml:1:17: rhythm.hours: want a list of 24 numbers, from midnight on, got a list of 2`,
		"rhythm: {days: {sun: -1}}":                                               `s.yaml:1:22: rhythm.days.sun: want a number from 0 to 1000000, got "-1"`,
		"timeline: {campaign: {}}":                                                `s.yaml:1:11: timeline: want a list of at most 200 entries, got fields of 2`,
		"timeline: [campagne: {}]":                                                `s.yaml:1:12: timeline[0]: no field "campagne" here: did you mean "campaign"?`,
		"timeline: [campaign: {for: 1m}]":                                         `s.yaml:1:22: timeline[0].campaign: want a time: give at: "19:00" or every: 1h`,
		`timeline: [outage: {at: "3:00", for: 1m}]`:                               `s.yaml:1:25: timeline[0].outage.at: want a time like "19:00" (every day) or "fri 19:00" (every week), got "3:00"`,
		`timeline: [outage: {at: "03:00"}]`:                                       `s.yaml:1:20: timeline[0].outage: want a duration: give for: 10m`,
		"timeline: [outage: {every: 7h30m, for: 1m}]":                             `s.yaml:1:20: timeline[0].outage.every: want a part of a week, like 10m, 1h or 24h, got 7h30m0s`,
		"timeline: [outage: {every: 1h, for: 2h}]":                                `s.yaml:1:20: timeline[0].outage.for: want at most 1h0m0s, which is when it begins again, got 2h0m0s`,
		"timeline: [outage: {every: 1h, for: 1h}]":                                `s.yaml:1:20: timeline[0].outage.for: want less than 1h0m0s: the shop must open at some time`,
		`timeline: [outage: {every: 1h, at: "02:00", for: 1m}]`:                   `s.yaml:1:20: timeline[0].outage.at: want the first time, within 1h0m0s of Monday 00:00, got 2h0m0s`,
		"timeline: [campaign: {every: 1h, for: 1m, product: prod_300}]":           `s.yaml:1:52: timeline[0].campaign.product: want one of the 200 products of the catalog, got "prod_300"`,
		"timeline: [campaign: {every: 1h, for: 1m, product: shoes}]":              `s.yaml:1:52: timeline[0].campaign.product: want "any" or the id of a product, like prod_042, got "shoes"`,
		"timeline: [{outage: {every: 1h, for: 1m}, flash_sale: {}}]":              `s.yaml:1:55: timeline[0].flash_sale: want a time: give at: "19:00" or every: 1h`,
		"timeline: &t [outage: {every: 1h, for: 1m}]\ncatalog: *t":                `s.yaml:2:10: catalog: want fields (products, zipf), got an alias: write the value itself`,
		"base: &b {zipf: 1}\ncatalog: {<<: *b}":                                   `s.yaml:2:11: catalog: no field "<<" here`,
		"timeline: [" + strings.Repeat("outage: {every: 1m, for: 1s}, ", 3) + "]": `s.yaml:1:11: timeline: want at most 20160 things a week, got 30240: let them happen less often`,
		"- a\n- b":              `s.yaml:1:1: want fields`,
		"catalog: {products: 7": `s.yaml: yaml: line 1`,
		"timeline: [campaign: {every: 1h, for: 1m, product: prod_003}]\ncatalog: {products: 2}": `want one of the 2 products`,
	} {
		_, err := parseScenario("s.yaml", []byte(text))
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestScenarioAllErrors: one look at a file is enough to mend it.
func TestScenarioAllErrors(t *testing.T) {
	text := "a: 1\n" + strings.Repeat("x: 1\n", 30)
	_, err := parseScenario("s.yaml", []byte(text))
	if got := strings.Count(fmt.Sprint(err), "\n") + 1; got != maxFaults+1 || !strings.Contains(err.Error(), "and 11 more") {
		t.Errorf("got %d lines, want %d:\n%v", got, maxFaults+1, err)
	}
}

// TestScenarioFile: the input reads the file that its field names; what is wrong with
// it stops the start.
func TestScenarioFile(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "catalog: {products: 7}\n")
	write(t, bad, "catalogue: {}\n")
	for path, want := range map[string]string{
		good:                            "",
		bad:                             `bad.yaml:1:1: no field "catalogue" here: did you mean "catalog"?`,
		filepath.Join(dir, "none.yaml"): "give the path of a file like config/scenario.yaml",
	} {
		pc, err := spec().ParseYAML("scenario: "+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := parse(pc)
		if want == "" {
			if err != nil || cfg.scenario.products != 7 {
				t.Errorf("%s: got %+v, %v", path, cfg.scenario, err)
			}
		} else if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s\n got %v\nwant %s", path, err, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzScenario: any text gives a scenario that makes events, or an error.
func FuzzScenario(f *testing.F) {
	corpus.Add(f)
	f.Add(config.Scenario())
	for _, text := range []string{
		"", "{}", "catalog: {products: 3, zipf: 4}", "time_factor: 144", "sessions: {page_views: 1, dwell: {shape: 0.3, scale: 24h}}",
		"timeline: [outage: {every: 1m, for: 59s}]", `timeline: [campaign: {at: "sun 23:59", for: 2m, product: prod_001, views: 0, traffic: 0}]`,
		"rhythm: {hours: [1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], days: {mon: 1e6}}", "a: &a [*a]", "? [x]: y", "timeline: [flash_sale: {every: 24h, for: 24h, products: 10000, discount: 0.95}]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sc, err := parseScenario("fuzz.yaml", text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without words")
			}
			return
		}
		for _, rhythm := range []bool{false, true} {
			calendar, err := newCalendar(sc, rhythm, 1000)
			if err != nil {
				continue
			}
			for _, passed := range []time.Duration{0, time.Second, 26 * time.Hour, 1000 * 24 * time.Hour} {
				busy := calendar.busy(passed)
				if again := calendar.busy(calendar.passed(busy)); again < busy {
					t.Fatalf("busy %s, and %s at the moment when that is reached", busy, again)
				}
			}
			if sc.dwellScale > time.Hour || sc.dwellShape < 0.5 {
				continue // thousands of visitors to begin with: nothing new, and slow
			}
			g := newGenerator(shop{scenario: sc, calendar: calendar, users: 3, rate: 1, seed: 1})
			for range 300 {
				if e := g.next(); e.Type.String() == "" || e.UserID == "" || e.ProductID == "" || e.Price < 0 {
					t.Fatalf("bad event %+v", e)
				}
			}
		}
	})
}

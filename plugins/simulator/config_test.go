package simulator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// TestParse: what parse refuses, lint finds in the same words.
func TestParse(t *testing.T) {
	for yaml, want := range map[string]string{
		"users: 500":         "",
		"users: 1":           "",
		"users: 1000000":     "",
		"users: 0":           "users: want 1 to 1000000 users, got 0",
		"users: 1000001":     "users: want 1 to 1000000 users, got 1000001",
		"users: -5":          "users: want 1 to 1000000 users, got -5",
		"rate: 0":            "",
		"rate: 5000000":      "",
		"rate: 5000001":      "rate: want 0 to 5000000 whole events per second, got 5000001",
		"rate: -1":           "rate: want 0 to 5000000 whole events per second, got -1",
		"rate: 0.5":          "rate: want 0 to 5000000 whole events per second, got 0.5",
		"rate: .nan":         "rate: want 0 to 5000000 whole events per second, got NaN",
		"count: 1":           "",
		"count: -1":          "count: want 0 to 9007199254740992 events, got -1",
		"seed: -7":           "",
		"seed: 999999999999": "",
	} {
		t.Run(yaml, func(t *testing.T) {
			pc, err := spec().ParseYAML(yaml, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parse(pc)
			if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); got != want {
				t.Errorf("parse\n got %q\nwant %q", got, want)
			}
			lints, err := service.GlobalEnvironment().NewComponentConfigLinter().
				LintInputYAML([]byte("clickstream_simulator: { " + yaml + " }"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, lint := range lints {
				got = append(got, lint.What)
			}
			if strings.Join(got, "; ") != want {
				t.Errorf("lint\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestParseDefaults(t *testing.T) {
	pc, err := spec().ParseYAML("{}", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(pc)
	if got.scenario == nil || len(got.scenario.timeline) == 0 {
		t.Error("want the scenario of config/scenario.yaml")
	}
	got.scenario = nil
	if want := (settings{users: 500, rate: 100}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestParseNamesTheField(t *testing.T) {
	for _, name := range []string{"users", "rate", "seed", "count"} {
		_, err := spec().ParseYAML(name+": many", nil)
		if err == nil || !strings.Contains(err.Error(), "'"+name+"'") {
			t.Errorf("%s: got error %v, want one that names the field", name, err)
		}
	}
}

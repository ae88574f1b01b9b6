package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clickstream/internal/deadletters"
)

// pipelineWith is consume.yaml with a text in place of another, as a file.
func pipelineWith(t *testing.T, old, text string) string {
	t.Helper()
	raw, err := os.ReadFile("../../pipelines/consume.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(raw), old) != 1 {
		t.Fatalf("consume.yaml holds %q not once", old)
	}
	path := filepath.Join(t.TempDir(), "consume.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(raw), old, text, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A dry run tells what becomes of letters, by the table and the limits of a pipeline,
// and the replay after it bears it out. It sends and writes nothing.
func TestDLQDryRun(t *testing.T) {
	wish := strings.Replace(eventJSON(5), "purchase", "wishlist", 1)
	s := lettersOf(t, eventJSON(1), "no event", negative(2), negative(3), wish)
	before := s.ends("clickstream")
	s.prints("replay --dry-run", `would replay 4 letters to topic clickstream (1 malformed_json, 2 out_of_range, 1 unknown_value)
replayed before: 0 letters; dropped: 0 letters
by table clickstream.events and output.fallback.0 of the consume.yaml that ships: 0 letters would be stored, 4 letters refused again

REASON          FIELD       PARTITION  LETTERS  STORED  REFUSED
out_of_range    price       0          2        0       2
malformed_json  -           0          1        0       1
unknown_value   event_type  0          1        0       1

REFUSED FOR     FIELD       LETTERS  FIRST  WHY
out_of_range    price       2        0:1    want a number from 0 to 1000000000000
malformed_json  -           1        0:0    want a JSON object at byte 0
unknown_value   event_type  1        0:3    want one of page_view, add_to_cart, purchase, remove_from_cart, got another text
`)
	fixed := pipelineWith(t, "min: 0,", "min: -10,")
	s.prints("replay --dry-run --pipeline "+fixed, " of "+fixed+": 2 letters would be stored, 2 letters refused again\n", "out_of_range    price       0          2        2       0\n")
	s.exec("ALTER TABLE clickstream.events MODIFY COLUMN event_type Enum8('page_view' = 1, 'add_to_cart' = 2, 'purchase' = 3, 'remove_from_cart' = 4, 'wishlist' = 5)")
	var forecast deadletters.Forecast
	if err := json.Unmarshal([]byte(s.prints("replay --dry-run --json --pipeline "+fixed)), &forecast); err != nil ||
		forecast.Letters != 4 || forecast.Stored != 3 || forecast.Refused != 1 || !forecast.Judged || len(forecast.Groups) != 3 ||
		len(forecast.Refusals) != 1 || forecast.Refusals[0].First != "0:0" {
		t.Errorf("dry run as JSON: %v, got %+v", err, forecast)
	}
	s.prints("replay --dry-run --limit 1 --reason out_of_range", "would replay 1 letter to topic clickstream (1 out_of_range)\n", "1 letter refused again\n")
	s.prints("replay --dry-run --no-table --clickhouse "+freeAddress(t), "out_of_range    price       0          2        ?       ?\n")
	if after := s.ends("clickstream"); total(after) != total(before) {
		t.Errorf("dry runs sent %d records", total(after)-total(before))
	}
	if _, err := s.listEnds(deadletters.MarksTopic("clickstream-dead-letters")); err == nil {
		t.Error("a dry run made the topic of marks")
	}

	s.prints("drop --reason malformed_json --yes", "dropped 1 letter")
	s.prints("replay", "replayed 3 letters")
	s.settle("--set", mended)
	s.exactly(8, 4, 4)
	s.prints("replay --dry-run", "would replay 0 letters to topic clickstream\nreplayed before: 3 letters; dropped: 1 letter\n", ": 0 letters would be stored, 0 letters refused again\n")
}

func TestDLQDryRunSaysWhatIsWrong(t *testing.T) {
	s := lettersOf(t, negative(1))
	nowhere, letters := freeAddress(t), filepath.Join(s.dir, "letters.yaml")
	if err := os.WriteFile(letters, []byte(`
input: { kafka: { topic: clickstream, group: any } }
output:
  clickhouse: { table: dead_letters, coordinates: true, columns: { "@reason": reason, "@field": field, "@message": message, "@value": payload, "@topic": topic } }
`), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args string
		code int
		want string
	}{
		"no pipeline":  {"--pipeline none.yaml", exitConfig, "dlq replay: --pipeline: open none.yaml: "},
		"no output":    {"--pipeline ../../pipelines/produce.yaml", exitConfig, "want an output clickhouse, found none"},
		"no YAML":      {"--pipeline dlq.go", exitConfig, "dlq replay: --pipeline: dlq.go: "},
		"letters only": {"--pipeline " + letters, exitConfig, "want an output clickhouse for events, found one for refused rows only"},
		"no such table": {"--pipeline " + pipelineWith(t, "table: events\n", "table: clicks\n"), exitFailure,
			"output.fallback.0: describe clickstream.clicks: "},
		"unfit table":   {"--pipeline " + pipelineWith(t, "price: {", "cost: {"), exitFailure, "limits: no column of clickstream.events takes field cost; or leave the table out with --no-table"},
		"no ClickHouse": {"--clickhouse " + nowhere, exitFailure, "dlq replay: ClickHouse at " + nowhere + " does not answer: "},
		"processors": {"--pipeline " + pipelineWith(t, "processors: []", "processors: [ { mapping: 'root = this' } ]"), exitOK,
			"1 letter refused again; its processors are not run, what they change is not foreseen\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.dlq(tc.code, append([]string{"replay", "--dry-run"}, strings.Fields(tc.args)...)...); !strings.Contains(got, tc.want) {
				t.Errorf("got %s, want ...%s...", got, tc.want)
			}
		})
	}
}

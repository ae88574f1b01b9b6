package prometheus

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// opened builds the exporter from a YAML snippet, as a pipeline does.
func opened(t *testing.T, yaml string) *exporter {
	t.Helper()
	pc, err := spec().ParseYAML(yaml, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := open(pc, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.(*exporter)
}

func page(t *testing.T, e *exporter, path string) string {
	t.Helper()
	rec := httptest.NewRecorder()
	e.HandlerFunc()(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("GET %s: status %d: %s", path, rec.Code, rec.Body)
	}
	return rec.Body.String()
}

func TestPages(t *testing.T) {
	e := opened(t, "{}")
	e.NewCounterCtor("output_sent", "label", "path")("a", "b").Incr(3)
	e.NewGaugeCtor("clickstream_kafka_lag_events", "partition")("2").Set(41)
	e.NewTimerCtor("output_latency_ns")().Timing(2_000_000)

	text := page(t, e, "/metrics")
	for _, want := range []string{
		`output_sent{label="a",path="b"} 3`,
		`clickstream_kafka_lag_events{partition="2"} 41`,
		`output_latency_seconds_bucket{le="0.002"} 1`,
		`output_latency_seconds_bucket{le="0.001"} 0`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}

	var stats map[string]float64
	if err := json.Unmarshal([]byte(page(t, e, "/stats")), &stats); err != nil {
		t.Fatal(err)
	}
	if got := stats[`output_sent{label="a",path="b"}`]; got != 3 {
		t.Errorf("/stats: output_sent is %v, want 3", got)
	}
}

// TestSameNameAgain: the name with the same labels is the same series; with other
// labels or another type it is left out, and nothing panics.
func TestSameNameAgain(t *testing.T) {
	e := opened(t, "{}")
	e.NewCounterCtor("hits", "path")("x").Incr(1)
	e.NewCounterCtor("hits", "path")("x").Incr(1)
	e.NewCounterCtor("hits", "other")("x").Incr(100)
	e.NewGaugeCtor("hits", "path")("x").Set(100)
	if text := page(t, e, "/metrics"); !strings.Contains(text, `hits{path="x"} 2`) {
		t.Errorf("/metrics lacks hits 2:\n%s", text)
	}
}

func TestDeleteSeries(t *testing.T) {
	e := opened(t, "{}")
	lag := e.NewGaugeCtor("lag", "stream", "partition")
	lag("a", "0").Set(1)
	lag("b", "0").Set(2)
	e.DeleteSeriesPartialMatch(map[string]string{"stream": "a"})
	text := page(t, e, "/metrics")
	if strings.Contains(text, `stream="a"`) || !strings.Contains(text, `stream="b"`) {
		t.Errorf("want only stream b:\n%s", text)
	}
}

func TestBucketsMustRise(t *testing.T) {
	pc, err := spec().ParseYAML("buckets: [1, 0.5]", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(pc, nil)
	if want := "buckets: want rising upper bounds, got [1 0.5]"; err == nil || err.Error() != want {
		t.Errorf("open: got %v, want %s", err, want)
	}
}

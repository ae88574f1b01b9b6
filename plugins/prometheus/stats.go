package prometheus

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// serveJSON writes every series as one number under its name and labels; a
// histogram as its count and its sum.
func serveJSON(w http.ResponseWriter, from prometheus.Gatherer) {
	families, err := from.Gather()
	if err != nil {
		http.Error(w, "gather metrics: "+err.Error(), http.StatusInternalServerError)
		return
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			flatten(out, f.GetName(), m)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the client went away: nothing left to tell it
}

func flatten(out map[string]float64, name string, m *dto.Metric) {
	labels := labelText(m.GetLabel())
	switch {
	case m.Counter != nil:
		out[name+labels] = m.GetCounter().GetValue()
	case m.Gauge != nil:
		out[name+labels] = m.GetGauge().GetValue()
	case m.Histogram != nil:
		out[name+"_count"+labels] = float64(m.GetHistogram().GetSampleCount())
		out[name+"_sum"+labels] = m.GetHistogram().GetSampleSum()
	case m.Summary != nil:
		out[name+"_count"+labels] = float64(m.GetSummary().GetSampleCount())
		out[name+"_sum"+labels] = m.GetSummary().GetSampleSum()
	}
}

// labelText writes labels the way Prometheus does: {a="1",b="2"}.
func labelText(labels []*dto.LabelPair) string {
	if len(labels) == 0 {
		return ""
	}
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = l.GetName() + `="` + l.GetValue() + `"`
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// help is the text of a metric's HELP line: its name in words, since Benthos
// hands over a name and nothing else.
func help(name string) string { return strings.ReplaceAll(name, "_", " ") }

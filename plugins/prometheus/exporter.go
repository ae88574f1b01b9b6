// Package prometheus exports metrics in the Prometheus format, over client_golang:
// on /metrics as text, on /stats the same as JSON for people and scripts.
package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func init() { service.MustRegisterMetricsExporter("prometheus", spec(), open) }

// The upper bounds of a timer's buckets, in seconds: 1 ms to 32 s, doubling, so
// that an insert of 20 ms and one of 2 s fall far apart.
var defaultBuckets = prometheus.ExponentialBuckets(0.001, 2, 16)

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().Stable().Version("0.1.0").
		Summary("Serves metrics for Prometheus on /metrics, and as JSON on /stats.").
		Field(service.NewFloatListField("buckets").Default([]any{}).Advanced().
			Description("Upper bounds of the buckets of timers, in seconds, rising. Default: 0.001 to 32.768, doubling."))
}

func open(pc *service.ParsedConfig, log *service.Logger) (service.MetricsExporter, error) {
	buckets, err := pc.FieldFloatList("buckets")
	if err != nil {
		return nil, err
	}
	if len(buckets) == 0 {
		buckets = defaultBuckets
	}
	if !slices.IsSorted(buckets) {
		return nil, fmt.Errorf("buckets: want rising upper bounds, got %v", buckets)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &exporter{registry: registry, buckets: buckets, log: log, known: map[string]family{}}, nil
}

// exporter makes a vector per metric name. Benthos asks for the same name once
// per component that uses it, each time with the same label keys; should they
// differ, the later metric is dropped with a warning, since Prometheus would
// refuse the whole page.
type exporter struct {
	registry *prometheus.Registry
	buckets  []float64
	log      *service.Logger

	mu    sync.Mutex
	known map[string]family
}

// family is what one name stands for.
type family struct {
	kind   string
	labels string
	vector prometheus.Collector
}

// vector returns the registered collector of that name, made by create on first
// use, or nil when the name is taken by a metric of another kind or other labels.
func (e *exporter) vector(kind, name string, labels []string, create func() prometheus.Collector) prometheus.Collector {
	e.mu.Lock()
	defer e.mu.Unlock()
	want := family{kind: kind, labels: strings.Join(labels, ",")}
	if f, ok := e.known[name]; ok {
		if f.kind == want.kind && f.labels == want.labels {
			return f.vector
		}
		e.log.With("metric", name, "is", f.kind+" "+f.labels, "asked", kind+" "+want.labels).
			Warn("metric left out: its name is taken with another type or other labels")
		return nil
	}
	want.vector = create()
	if err := e.registry.Register(want.vector); err != nil {
		e.log.With("metric", name, "error", err.Error()).Warn("metric left out")
		return nil
	}
	e.known[name] = want
	return want.vector
}

// NewCounterCtor returns the maker of one counter per set of label values.
func (e *exporter) NewCounterCtor(name string, labels ...string) service.MetricsExporterCounterCtor {
	vec, _ := e.vector("counter", name, labels, func() prometheus.Collector {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help(name)}, labels)
	}).(*prometheus.CounterVec)
	return func(values ...string) service.MetricsExporterCounter {
		if vec == nil {
			return dropped{}
		}
		return counter{vec.WithLabelValues(values...)}
	}
}

// NewTimerCtor returns the maker of one histogram per set of label values. Benthos
// measures in nanoseconds and says so in its names; Prometheus wants seconds, so
// a trailing _ns becomes _seconds.
func (e *exporter) NewTimerCtor(name string, labels ...string) service.MetricsExporterTimerCtor {
	if base, ok := strings.CutSuffix(name, "_ns"); ok {
		name = base + "_seconds"
	}
	vec, _ := e.vector("timer", name, labels, func() prometheus.Collector {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help(name), Buckets: e.buckets}, labels)
	}).(*prometheus.HistogramVec)
	return func(values ...string) service.MetricsExporterTimer {
		if vec == nil {
			return dropped{}
		}
		return timer{vec.WithLabelValues(values...)}
	}
}

// NewGaugeCtor returns the maker of one gauge per set of label values.
func (e *exporter) NewGaugeCtor(name string, labels ...string) service.MetricsExporterGaugeCtor {
	vec, _ := e.vector("gauge", name, labels, func() prometheus.Collector {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help(name)}, labels)
	}).(*prometheus.GaugeVec)
	return func(values ...string) service.MetricsExporterGauge {
		if vec == nil {
			return dropped{}
		}
		return gauge{vec.WithLabelValues(values...)}
	}
}

// DeleteSeriesPartialMatch drops every series that carries all the given labels:
// a stream that was removed leaves no stale numbers behind.
func (e *exporter) DeleteSeriesPartialMatch(labels map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.known {
		if vec, ok := f.vector.(interface {
			DeletePartialMatch(prometheus.Labels) int
		}); ok {
			vec.DeletePartialMatch(labels)
		}
	}
}

// HandlerFunc serves the page. Benthos mounts it on /metrics and on /stats.
func (e *exporter) HandlerFunc() http.HandlerFunc {
	text := promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{})
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/stats") {
			serveJSON(w, e.registry)
			return
		}
		text.ServeHTTP(w, r)
	}
}

// Close has nothing to flush: Prometheus pulls.
func (e *exporter) Close(context.Context) error { return nil }

type counter struct{ prometheus.Counter }

// Incr adds count, which a caller never makes negative.
func (c counter) Incr(count int64) { c.Add(float64(count)) }

// IncrFloat64 adds count.
func (c counter) IncrFloat64(count float64) { c.Add(count) }

type timer struct{ prometheus.Observer }

// Timing observes delta nanoseconds.
func (t timer) Timing(delta int64) { t.Observe(float64(delta) / 1e9) }

type gauge struct{ prometheus.Gauge }

// Set sets the gauge to a whole number.
func (g gauge) Set(value int64) { g.Gauge.Set(float64(value)) }

// SetFloat64 sets the gauge.
func (g gauge) SetFloat64(value float64) { g.Gauge.Set(value) }

// dropped stands for a metric that was left out.
type dropped struct{}

func (dropped) Incr(int64)   {}
func (dropped) Timing(int64) {}
func (dropped) Set(int64)    {}

var (
	_ service.MetricsExporter              = (*exporter)(nil)
	_ service.MetricsExporterSeriesDeleter = (*exporter)(nil)
)

package replay

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

func TestBar(t *testing.T) {
	for name, tc := range map[string]struct {
		state state
		width int
		want  string
	}{
		"half":      {state{500, 250, 0.5, 2 * time.Second, 1569888000000}, 90, "[==============               ]  50.0%  500 rows  250 rows/s  2s left  2019-10-01 00:00:00"},
		"the start": {state{eta: -1}, 60, "[                      ]   0.0%  0 rows  0 rows/s  ? left  ?"},
		"narrow":    {state{500, 250, 0.5, 2 * time.Second, 1569888000000}, 30, "50.0%  500 rows  250 rows/s  2"},
	} {
		if got := tc.state.bar(tc.width); got != tc.want || len(got) > tc.width {
			t.Errorf("%s\n got %q\nwant %q", name, got, tc.want)
		}
	}
}

func TestState(t *testing.T) {
	p := progress{reader: &reader{files: []file{{Size: 1000}}}, start: time.Unix(100, 0), begun: 200}
	p.rows.Store(30)
	p.reader.taken.Store(400)
	got := p.state(time.Unix(110, 0))
	if want := (state{rows: 30, rate: 3, share: 0.4, eta: 30 * time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// counts is a metrics exporter that remembers sums.
type counts struct {
	mu  sync.Mutex
	sum map[string]int64
}

type series struct {
	*counts
	name string
}

func (s series) Incr(n int64)        { s.mu.Lock(); s.sum[s.name] += n; s.mu.Unlock() }
func (s series) Set(int64)           {}
func (s series) Timing(int64)        {}
func (s series) IncrFloat64(float64) {}
func (s series) SetFloat64(float64)  {}

func (c *counts) NewCounterCtor(name string, labels ...string) service.MetricsExporterCounterCtor {
	return func(values ...string) service.MetricsExporterCounter {
		for i, label := range labels {
			if label == "reason" {
				return series{c, name + " " + values[i]}
			}
		}
		return series{c, name}
	}
}

func (c *counts) NewTimerCtor(name string, _ ...string) service.MetricsExporterTimerCtor {
	return func(...string) service.MetricsExporterTimer { return series{c, name} }
}

func (c *counts) NewGaugeCtor(name string, _ ...string) service.MetricsExporterGaugeCtor {
	return func(...string) service.MetricsExporterGauge { return series{c, name} }
}

func (c *counts) Close(context.Context) error { return nil }

// TestCounters: a stream ends with the file, nothing is dropped in silence, and the
// counters say how many rows were no event, and why.
func TestCounters(t *testing.T) {
	text := lines(100) + "2019-10-01 00:00:00 UTC,view,1,1,,,cheap,1,s\n2019-10-01 00:00:00 UTC,look,1,1,,,1,1,s\n"
	metrics := &counts{sum: map[string]int64{}}
	env := service.NewEnvironment()
	if err := env.RegisterMetricsExporter("counts", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) { return metrics, nil }); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	b := env.NewStreamBuilder()
	for _, err := range []error{
		b.SetMetricsYAML("counts: {}"),
		b.SetLoggerYAML("level: off"),
		b.AddInputYAML("clickstream_replay: { preset: rees46, quiet: true, paths: [ " + write(t, "rows.csv", text) + " ], marker: " + t.TempDir() + "/m }"),
		b.AddBatchConsumerFunc(func(_ context.Context, batch service.MessageBatch) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, texts(t, batch)...)
			return nil
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stream, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw := 0
	for _, row := range got {
		if !strings.Contains(row, "event_type\":") {
			raw++
		}
	}
	if len(got) != 102 || raw != 12 {
		t.Errorf("got %d messages, %d of them no events, want 102 and 12", len(got), raw)
	}
	for name, want := range map[string]int64{
		"clickstream_replay_rows_total": 102, "clickstream_replay_unmapped_rows_total row": 10,
		"clickstream_replay_unmapped_rows_total price": 1, "clickstream_replay_unmapped_rows_total event_type": 1,
	} {
		if got := metrics.sum[name]; got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

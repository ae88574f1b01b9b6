package simulator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// recorder is a metrics exporter that remembers what it was told.
type recorder struct {
	mu     sync.Mutex
	values map[string]float64
}

type series struct {
	*recorder
	name string
}

func (r *recorder) of(name string, labels []string) series {
	return series{r, strings.Join(append([]string{name}, labels...), " ")}
}

func (s series) Incr(n int64)              { s.IncrFloat64(float64(n)) }
func (s series) Set(n int64)               { s.SetFloat64(float64(n)) }
func (s series) Timing(int64)              {}
func (s series) IncrFloat64(delta float64) { s.mu.Lock(); s.values[s.name] += delta; s.mu.Unlock() }
func (s series) SetFloat64(value float64)  { s.mu.Lock(); s.values[s.name] = value; s.mu.Unlock() }

func (r *recorder) NewCounterCtor(name string, _ ...string) service.MetricsExporterCounterCtor {
	return func(labels ...string) service.MetricsExporterCounter { return r.of(name, labels) }
}

func (r *recorder) NewTimerCtor(name string, _ ...string) service.MetricsExporterTimerCtor {
	return func(labels ...string) service.MetricsExporterTimer { return r.of(name, labels) }
}

func (r *recorder) NewGaugeCtor(name string, _ ...string) service.MetricsExporterGaugeCtor {
	return func(labels ...string) service.MetricsExporterGauge { return r.of(name, labels) }
}

func (r *recorder) Close(context.Context) error { return nil }

// own returns what the simulator itself recorded, without the labels of Benthos.
func (r *recorder) own() map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]float64{}
	for name, value := range r.values {
		if short, ok := strings.CutPrefix(name, "clickstream_simulator_"); ok {
			words := strings.Fields(short)
			for _, kind := range []string{"page_view", "add_to_cart", "purchase"} {
				if slices.Contains(words, kind) {
					words[0] += " " + kind
				}
			}
			out[words[0]] += value
		}
	}
	return out
}

// stream returns a whole Benthos stream of the input, and its metrics.
func stream(t *testing.T, yaml string, consume service.MessageBatchHandlerFunc) (*service.Stream, *recorder) {
	t.Helper()
	metrics := &recorder{values: map[string]float64{}}
	env := service.NewEnvironment()
	err := env.RegisterMetricsExporter("recorder", service.NewConfigSpec(),
		func(*service.ParsedConfig, *service.Logger) (service.MetricsExporter, error) { return metrics, nil })
	if err != nil {
		t.Fatal(err)
	}
	b := env.NewStreamBuilder()
	for _, err := range []error{
		b.SetMetricsYAML("recorder: {}"),
		b.SetLoggerYAML("level: off"),
		b.AddInputYAML("clickstream_simulator: " + yaml),
		b.AddBatchConsumerFunc(consume),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return s, metrics
}

// collect runs a stream to its end and returns the events by id, without their time.
// An output that works badly refuses each batch once, and parts of others.
func collect(t *testing.T, yaml string, bad bool) (map[string]doc, *recorder) {
	t.Helper()
	var mu sync.Mutex
	events, calls := map[string]doc{}, 0
	s, metrics := stream(t, yaml, func(_ context.Context, batch service.MessageBatch) error {
		mu.Lock()
		defer mu.Unlock()
		calls++
		if bad && calls%3 == 1 {
			return errors.New("refused")
		}
		var partial *service.BatchError
		for i, m := range batch {
			if bad && calls%3 == 2 && i%2 == 0 {
				if partial == nil {
					partial = service.NewBatchError(batch, errors.New("refused in part"))
				}
				partial.Failed(i, errors.New("refused"))
				continue
			}
			d := decode(t, m)
			if _, twice := events[d.EventID]; twice {
				t.Errorf("%s came twice", d.EventID)
			}
			d.Timestamp = time.Time{}
			events[d.EventID] = d
		}
		if partial != nil {
			return partial
		}
		return nil
	})
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return events, metrics
}

// TestStreamRepeats: a count and a seed give the same events each time, ids
// included, through an output that fails as well as through one that works.
func TestStreamRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "{rate: 0, count: 12345, seed: 7, users: 200}"
		first, metrics := collect(t, yaml, false)
		if len(first) != 12_345 {
			t.Errorf("events: got %d, want 12345", len(first))
		}
		want := map[string]float64{"resent_events_total": 0}
		for _, d := range first {
			want["events_total "+d.EventType]++
		}
		got := metrics.own()
		delete(got, "behind_seconds")
		delete(want, "resent_events_total")
		if !maps.Equal(got, want) {
			t.Errorf("metrics\n got %v\nwant %v", got, want)
		}
		again, metrics := collect(t, yaml, true)
		if !maps.Equal(again, first) {
			t.Errorf("second run: got %d events, want the same %d", len(again), len(first))
		}
		if got := metrics.own()["resent_events_total"]; got == 0 {
			t.Error("resent events: got 0")
		}
	})
}

// TestStreamDraws: without a seed, or without a count, each run has its own ids.
func TestStreamDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := map[string]bool{}
		for range 2 {
			events, _ := collect(t, "{rate: 0, count: 100}", false)
			for id := range events {
				ids[id] = true
			}
		}
		for range 2 { // endless: stopped after the first batch
			var once sync.Once
			got := make(chan service.MessageBatch, 1)
			s, _ := stream(t, "{rate: 100, seed: 7}", func(_ context.Context, batch service.MessageBatch) error {
				once.Do(func() { got <- batch })
				return nil
			})
			done := make(chan error)
			go func() { done <- s.Run(context.Background()) }()
			for _, m := range <-got {
				ids[decode(t, m).EventID] = true
			}
			if err := s.StopWithin(time.Minute); err != nil {
				t.Fatal(err)
			}
			<-done
		}
		if len(ids) != 202 {
			t.Errorf("distinct ids: got %d, want 202", len(ids))
		}
	})
}

// TestStreamBehind: the gauge says how late the next event is, also while the output
// blocks, and says zero again when all is caught up.
func TestStreamBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s, metrics := stream(t, "{rate: 1000}", func(context.Context, service.MessageBatch) error {
			if since := time.Since(begin); since > 10*time.Second && since < 20*time.Second {
				time.Sleep(20*time.Second - since)
			}
			return nil
		})
		done := make(chan error)
		go func() { done <- s.Run(context.Background()) }()
		for _, tc := range []struct {
			at        time.Duration
			low, high float64
		}{
			{9500 * time.Millisecond, 0, 0},
			{15500 * time.Millisecond, 3.5, 5.5},
			{25500 * time.Millisecond, 3, 6},
			{35500 * time.Millisecond, 0, 0},
		} {
			time.Sleep(tc.at - time.Since(begin))
			if got := metrics.own()["behind_seconds"]; got < tc.low || got > tc.high {
				t.Errorf("at %s: behind %v s, want %v to %v", tc.at, got, tc.low, tc.high)
			}
		}
		if err := s.StopWithin(time.Minute); err != nil {
			t.Fatal(err)
		}
		<-done
		var produced float64
		for name, n := range metrics.own() {
			if strings.HasPrefix(name, "events_total") {
				produced += n
			}
		}
		if want := 1000 * time.Since(begin).Seconds(); produced < want-50 || produced > want+50 {
			t.Errorf("events: got %v, want %v", produced, want)
		}
	})
}

// TestStreamLogsSeed: a drawn seed is logged, so that a run can be repeated.
func TestStreamLogsSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := &logSink{}
		b := service.NewEnvironment().NewStreamBuilder()
		b.SetPrintLogger(logs)
		for _, err := range []error{
			b.AddInputYAML("clickstream_simulator: {rate: 0, count: 1}"),
			b.AddBatchConsumerFunc(func(context.Context, service.MessageBatch) error { return nil }),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := logs.String(); strings.Count(got, "seed drawn") != 1 {
			t.Errorf("log: got %q, want the seed once", got)
		}
	})
}

type logSink struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logSink) Printf(format string, v ...any) { l.Println(fmt.Sprintf(format, v...)) }

func (l *logSink) Println(v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.text, v...)
}

func (l *logSink) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

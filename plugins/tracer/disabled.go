// Package tracer holds the tracer `disabled`, the default of this distribution.
// Benthos' own `none` still starts a span for every message at every stage, which
// is almost half of what a message costs (docs/decisions.md).
package tracer

import (
	"context"
	"slices"

	"github.com/redpanda-data/benthos/v4/public/service"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

func init() { service.MustRegisterOtelTracerProvider("disabled", spec(), open) }

// spec has no fields. The name is not `off`, which YAML reads as a boolean.
func spec() *service.ConfigSpec {
	return service.NewConfigSpec().Stable().Version("0.1.0").
		Summary("Traces nothing, at no cost per message.")
}

func open(*service.ParsedConfig) (trace.TracerProvider, error) {
	t := &tracer{}
	service.GlobalEnvironment().WalkBuffers(func(name string, _ *service.ConfigView) { t.buffers = append(t.buffers, name) })
	return provider{tracer: t}, nil
}

// provider hands out one tracer, and that tracer no span: nothing is allocated.
type provider struct {
	embedded.TracerProvider
	tracer *tracer
}

func (p provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.tracer }

type tracer struct {
	embedded.Tracer
	buffers []string // what they call their spans
}

// Start returns the context as it came, so that no message grows by a span. The nil
// span is what Benthos v4.80.0 itself takes for "none" (its Span is nil then, and
// every method of it allows for that); a span that does nothing would be wrapped
// in an allocation for each message. Only its buffers cannot do without one: they take
// the context out of it, and hang for ever if there is none.
func (t *tracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	if slices.Contains(t.buffers, name) {
		return ctx, trace.SpanFromContext(ctx)
	}
	return ctx, nil
}

// Package tracer holds the tracer `disabled`, the default of this distribution.
// Benthos' own `none` still starts a span for every message at every stage, which
// is almost half of what a message costs (docs/decisions.md).
package tracer

import (
	"context"

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

func open(*service.ParsedConfig) (trace.TracerProvider, error) { return provider{}, nil }

// provider hands out one tracer, and that tracer no span: nothing is allocated.
type provider struct{ embedded.TracerProvider }

func (provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{} }

type tracer struct{ embedded.Tracer }

// Start returns the context as it came, so that no message grows by a span. The nil
// span is what Benthos v4.80.0 itself takes for "none" (its Span is nil then, and
// every method of it allows for that); a span that does nothing would be wrapped
// in an allocation for each message.
func (tracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, nil
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"clickstream/internal/process"
)

// serverErrors makes a failed HTTP server fatal. When the port is taken Benthos
// logs that and runs on, while another process answers for its health and metrics;
// what it logs is the only word of it.
type serverErrors struct{}

// serverError is how that line begins.
const serverError = "HTTP Server error: "

// Enabled spares Benthos the lines that Handle would ignore.
func (serverErrors) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}

// Handle looks for the one line.
func (serverErrors) Handle(_ context.Context, r slog.Record) error {
	if cause, ok := strings.CutPrefix(r.Message, serverError); ok {
		process.Fatal(errors.New("http server: " + strings.TrimSpace(cause) +
			"; another pipeline may run there: set HTTP_ADDRESS, or http.address in the pipeline, to a free one"))
	}
	return nil
}

// WithAttrs and WithGroup change nothing: only the message counts.
func (h serverErrors) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup is as WithAttrs.
func (h serverErrors) WithGroup(string) slog.Handler { return h }

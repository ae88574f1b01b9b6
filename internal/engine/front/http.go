package front

import (
	"context"
	"net"
	"net/http"
	"time"
)

// HTTP serves the HTTP protocol.
type HTTP struct {
	backend *Backend
	server  *http.Server
}

// NewHTTP makes a server over b.
func NewHTTP(b *Backend) *HTTP {
	h := &HTTP{backend: b}
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute}
	return h
}

// Serve accepts connections until l is closed.
func (h *HTTP) Serve(l net.Listener) { _ = h.server.Serve(l) }

// Drain closes idle connections and waits for the statements of the others, until
// ctx ends.
func (h *HTTP) Drain(ctx context.Context) { _ = h.server.Shutdown(ctx) }

// Close closes every connection and waits until none uses the engine.
func (h *HTTP) Close() { _ = h.server.Close() }

// ServeHTTP is not finished.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}

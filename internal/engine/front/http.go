package front

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"clickstream/internal/door"
	"clickstream/internal/engine/chdb"
)

// HTTP serves the HTTP protocol.
type HTTP struct {
	backend *Backend
	server  *http.Server
	wait    sync.WaitGroup // requests that use the engine
}

// NewHTTP makes a server over b.
func NewHTTP(b *Backend) *HTTP {
	h := &HTTP{backend: b}
	h.server = &http.Server{
		Handler: door.Guard(h), ReadHeaderTimeout: helloTimeout, IdleTimeout: 5 * time.Minute,
		MaxHeaderBytes: 1 << 20, // statements come in ?query=
	}
	return h
}

// Serve accepts connections until l is closed.
func (h *HTTP) Serve(l net.Listener) { _ = h.server.Serve(l) }

// Drain closes idle connections and waits for the statements of the others, until
// ctx ends.
func (h *HTTP) Drain(ctx context.Context) { _ = h.server.Shutdown(ctx) }

// Close closes every connection and waits until none uses the engine.
func (h *HTTP) Close() {
	_ = h.server.Close()
	h.wait.Wait()
}

// ServeHTTP answers one request.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.wait.Add(1)
	defer h.wait.Done()
	values := r.URL.Query()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "want GET, HEAD or POST", http.StatusMethodNotAllowed)
		return
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status",
		r.URL.Path == "/" && r.Method == http.MethodGet && !values.Has("query"):
		_, _ = io.WriteString(w, "Ok.\n")
		return
	case r.URL.Path != "/":
		http.Error(w, "There is no handle "+r.URL.Path, http.StatusNotFound)
		return
	}
	x := &exchange{HTTP: h, w: w, r: r, values: values, id: values.Get("query_id")}
	if x.id == "" {
		x.id = h.backend.newID()
	}
	head := w.Header()
	head.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'") // an answer is no page
	head.Set("X-ClickHouse-Server-Display-Name", h.backend.name)
	head.Set("X-ClickHouse-Timezone", h.backend.zone)
	head.Set("X-ClickHouse-Query-Id", x.id)
	err := h.login(r, values)
	if err == nil {
		err = x.serve()
	}
	if err != nil {
		x.fail(err)
	}
}

// login finds name and password where clients put them.
func (h *HTTP) login(r *http.Request, values url.Values) error {
	user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if name, secret, ok := r.BasicAuth(); ok {
		user, password = name, secret
	}
	if values.Has("user") {
		user = values.Get("user")
	}
	if values.Has("password") {
		password = values.Get("password")
	}
	return h.backend.authenticate(user, password)
}

// exchange is one request and its answer.
type exchange struct {
	*HTTP
	w      http.ResponseWriter
	r      *http.Request
	values url.Values
	id     string
}

// fail answers with an exception. Nothing may have been sent before.
func (x *exchange) fail(err error) {
	e := exception(err)
	head := x.w.Header()
	head.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	head.Set("Content-Type", "text/plain; charset=UTF-8")
	head.Del("Content-Encoding")
	head.Del("Content-Length")
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		x.w.WriteHeader(http.StatusRequestEntityTooLarge)
	} else {
		x.w.WriteHeader(status(e.Code))
	}
	_, _ = io.WriteString(x.w, x.text(e)+"\n")
}

// text is an exception as the server prints it.
func (h *HTTP) text(e *chdb.Error) string {
	if strings.Contains(e.Text, "(version ") {
		return e.Text
	}
	return e.Text + " (version " + h.backend.version + ")"
}

// status maps a code as ClickHouse's exceptionCodeToHTTPStatus does.
func status(code int) int {
	switch code {
	case 516, 194: // AUTHENTICATION_FAILED, REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 497: // ACCESS_DENIED
		return http.StatusForbidden
	case 46, 47, 50, 56, 60, 63, 73, 81, 115: // UNKNOWN_FUNCTION, _IDENTIFIER, _TYPE, _STORAGE, _TABLE, _AGGREGATE_FUNCTION, _FORMAT, _DATABASE, _SETTING
		return http.StatusNotFound
	case 159: // TIMEOUT_EXCEEDED
		return http.StatusRequestTimeout
	case 48: // NOT_IMPLEMENTED
		return http.StatusNotImplemented
	case 241, 252, 202: // MEMORY_LIMIT_EXCEEDED, TOO_MANY_PARTS, TOO_MANY_SIMULTANEOUS_QUERIES
		return http.StatusServiceUnavailable
	case 6, 16, 26, 27, 36, 38, 41, 43, 44, 53, 62, 70, 72, 117: // CANNOT_PARSE_.., wrong types, SYNTAX_ERROR
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

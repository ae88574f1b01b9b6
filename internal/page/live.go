package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// heartbeat keeps proxies from closing a connection that is silent.
	heartbeat = 15 * time.Second
	// writeLimit is how long a viewer may take to accept an event.
	writeLimit = 10 * time.Second
)

// state is the event that tells how the page itself is doing.
type state struct {
	// Connected: the server answers.
	Connected bool `json:"connected"`
	// Engine is ok, or what the server or the connection to it said.
	Engine string `json:"engine"`
	// FreshnessMS is the age of the newest row; null: there is none, or it is unknown.
	FreshnessMS *int64 `json:"freshness_ms"`
	At          int64  `json:"at"`
}

func stateOf(p pulse) []byte {
	s := state{Connected: !p.down(), Engine: "ok", At: time.Now().UnixMilli()}
	if p.err != nil {
		s.Engine = failureOf(p.err).Message
	} else if !p.newest.IsZero() {
		age := max(p.at.Sub(p.newest).Milliseconds(), 0)
		s.FreshnessMS = &age
	}
	raw, _ := json.Marshal(s) // numbers and strings
	return raw
}

// live sends a view's panels and state as they change, for as long as the viewer
// stays: the last known values at once.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	b, l, _ := s.boards.find(r.URL.Query().Get("board"))
	if b == nil || l.Error != "" {
		refuse(w, http.StatusNotFound, "no board has this uid; /api/boards lists them")
		return
	}
	request, err := parseRequest(b, r.URL.Query(), time.Now())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	v, leave, ok := s.hub.join(b, request)
	if !ok {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("%d viewers already, and no more", maxViewers))
		return
	}
	defer leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	stream := &stream{w: w, control: http.NewResponseController(w)}
	if !stream.send([]byte("retry: 1000\n\n")) {
		return
	}
	s.follow(r, v, stream)
}

// follow sends what changes until the viewer or the server goes.
func (s *Server) follow(r *http.Request, v *view, to *stream) {
	silent := time.NewTicker(heartbeat)
	defer silent.Stop()
	seen := make([]uint64, len(v.slots))
	for {
		changed, events, next := v.newer(seen)
		if len(changed) > 0 && !to.send(frames(changed, events, len(v.slots)-1)) {
			return
		}
		select {
		case <-next:
		case <-silent.C:
			if !to.send([]byte(": still here\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// frames are the events of some slots; the last slot is the state.
func frames(changed []int, events [][]byte, last int) []byte {
	var out []byte
	for n, i := range changed {
		name := "event: panel\ndata: "
		if i == last {
			name = "event: state\ndata: "
		}
		out = append(append(append(out, name...), events[n]...), "\n\n"...)
	}
	return out
}

// stream is one viewer's connection.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes and flushes; false: the viewer has gone or takes nothing any more.
func (s *stream) send(raw []byte) bool {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return false
	}
	if _, err := s.w.Write(raw); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

package page

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// maxViewers bounds the live connections; each costs a goroutine and a socket, the
// queries are the same for one or all.
const maxViewers = 200

// Server answers for the page. Make it with New.
type Server struct {
	ctx     context.Context
	version string
	db      *database
	heart   *heart
	cache   *cache
	boards  *boards
	hub     *hub
	options *optionCache
	asked   questions
}

// Config says where the page's data and boards come from.
type Config struct {
	// ClickHouse is how to reach the server; timeouts and settings are the page's.
	ClickHouse clickhouse.Options
	// Dashboards are the shipped boards, in Grafana's JSON.
	Dashboards fs.FS
	// Folder holds boards of the user's own; "" for none.
	Folder string
	// Version is that of the program.
	Version string
}

// New returns a server that works until ctx ends. It does not wait for ClickHouse:
// a page without one says so.
func New(ctx context.Context, c Config) (*Server, error) {
	db, err := openDatabase(c.ClickHouse)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = db.conn.Close() })
	s := &Server{
		ctx: ctx, version: c.Version, db: db, heart: newHeart(ctx, db), cache: newCache(),
		boards: &boards{shipped: c.Dashboards, folder: c.Folder}, options: newOptionCache(),
		asked: questions{open: map[string]*question{}},
	}
	s.hub = &hub{server: s, views: map[string]*view{}}
	return s, nil
}

// Handler returns the page and its API; see docs/dashboards.md.
func (s *Server) Handler() (http.Handler, error) {
	static, err := newStatic(webFiles)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/boards", s.listBoards)
	mux.HandleFunc("GET /api/boards/{uid}", s.describeBoard)
	mux.HandleFunc("GET /api/boards/{uid}/panels/{id}", s.answerPanel)
	mux.HandleFunc("GET /api/live", s.live)
	mux.HandleFunc("GET /api/counts", s.answerCounts)
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "the page has no such address; its API is in docs/dashboards.md")
	})
	mux.Handle("GET /", static)
	return guard(mux), nil
}

func (s *Server) listBoards(w http.ResponseWriter, _ *http.Request) {
	list, first := s.boards.list()
	reply(w, struct {
		Boards  []listed        `json:"boards"`
		Home    string          `json:"home"`
		Version string          `json:"version"`
		Ranges  []string        `json:"ranges"`
		Units   map[string]Unit `json:"units"`
	}{list, first, s.version, Ranges, units})
}

// described is a board without its data.
type described struct {
	UID         string      `json:"uid"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Error       string      `json:"error,omitempty"`
	RefreshMS   int64       `json:"refresh_ms"`
	Range       string      `json:"range"`
	Ranges      []string    `json:"ranges"`
	Variables   []*Variable `json:"variables"`
	Panels      []*Panel    `json:"panels"`
	Unknown     []string    `json:"unknown,omitempty"`
}

func (s *Server) describeBoard(w http.ResponseWriter, r *http.Request) {
	b, l, ok := s.boards.find(r.PathValue("uid"))
	if !ok {
		refuse(w, http.StatusNotFound, "no board has this uid; /api/boards lists them")
		return
	}
	if l.Error != "" {
		reply(w, described{UID: l.UID, Title: l.Title, Error: l.Error, Ranges: Ranges, Variables: []*Variable{}, Panels: []*Panel{}})
		return
	}
	request, err := parseRequest(b, r.URL.Query(), time.Now())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	reply(w, described{
		UID: b.UID, Title: b.Title, Description: b.Description, RefreshMS: b.Refresh.Milliseconds(), Range: b.Range, Ranges: Ranges,
		Variables: s.variables(b, request), Panels: b.Panels, Unknown: b.Unknown,
	})
}

func (s *Server) answerPanel(w http.ResponseWriter, r *http.Request) {
	b, l, _ := s.boards.find(r.PathValue("uid"))
	if b == nil || l.Error != "" {
		refuse(w, http.StatusNotFound, "no board has this uid; /api/boards lists them")
		return
	}
	id, err := strconv.Atoi(r.PathValue("id"))
	var p *Panel
	for _, candidate := range b.Panels {
		if err == nil && candidate.ID == id {
			p = candidate
		}
	}
	if p == nil {
		refuse(w, http.StatusNotFound, "the board has no panel of this id; /api/boards/"+b.UID+" lists them")
		return
	}
	request, err := parseRequest(b, r.URL.Query(), time.Now())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.heart.touch()
	e := s.cache.entry(s.keyOf(b, p, request))
	raw, _ := e.get(r.Context(), b.Refresh-beat, func() Answer { return s.compute(b, p, request) })
	write(w, http.StatusOK, raw)
}

// keyOf tells answers apart; a board that was read anew has other panels.
func (s *Server) keyOf(b *Board, p *Panel, r request) string {
	return b.UID + "\x00" + strconv.Itoa(p.ID) + "\x00" + b.stamp + "\x00" + r.key(p)
}

// compute asks the server, unless there is nothing to ask or it is known not to answer.
func (s *Server) compute(b *Board, p *Panel, r request) Answer {
	last, _, alive := s.heart.now()
	switch {
	case p.Unknown != "":
		return p.failed(r, errors.New(p.Unknown))
	case p.sql == "": // a row
		return p.failed(r, nil)
	case last.down():
		return p.failed(r, last.err)
	}
	key := b.UID + "\x00" + b.stamp + "\x00" + p.sql + "\x00" + r.key(p)
	a := p.answer(s.asked.join(key, func() result { return p.ask(alive, s.db, r, s.allOptions(b, p, r)) }))
	a.PaceMS = p.pace(r).Milliseconds()
	if cause := context.Cause(alive); a.Error != nil && cause != nil && s.ctx.Err() == nil {
		a.Error = failureOf(cause)
	}
	return a
}

func (s *Server) answerCounts(w http.ResponseWriter, r *http.Request) {
	c, err := s.db.counts(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, failureOf(err).Message)
		return
	}
	reply(w, c)
}

// reply writes an answer as JSON.
func reply(w http.ResponseWriter, answer any) {
	raw, err := json.Marshal(answer)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	write(w, http.StatusOK, raw)
}

// refuse writes an error as JSON, in a sentence for whoever asked.
func refuse(w http.ResponseWriter, status int, message string) {
	raw, _ := json.Marshal(map[string]Failure{"error": {Message: message}}) // two strings
	write(w, status, raw)
}

func write(w http.ResponseWriter, status int, raw []byte) {
	if raw == nil {
		status, raw = http.StatusServiceUnavailable, []byte(`{"error":{"message":"no answer"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the viewer has gone
}

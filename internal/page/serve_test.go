package page

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clickstream/grafana"
	"clickstream/internal/engine/enginetest"
	"clickstream/internal/schema"
)

// site is a page over a real engine.
type site struct {
	t        *testing.T
	url      string
	engine   enginetest.Server
	database string
}

// newSite serves the shipped boards over empty tables of its own.
func newSite(t *testing.T, folder string) *site {
	t.Helper()
	return serveOver(t, enginetest.Start(t), grafana.Dashboards(), folder)
}

func serveOver(t *testing.T, engine enginetest.Server, shipped fs.FS, folder string) *site {
	t.Helper()
	s := &site{t: t, engine: engine, database: engine.Database(t)}
	if _, err := schema.Apply(t.Context(), engine.Conn(t, ""), schema.Options{Database: s.database}); err != nil {
		t.Fatal(err)
	}
	s.url = s.open(shipped, folder)
	return s
}

// open starts one more page on the same tables, and returns its address.
func (s *site) open(shipped fs.FS, folder string) string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	server, err := New(ctx, Config{ClickHouse: *s.engine.Options(s.database), Dashboards: shipped, Folder: folder, Version: "1.2.3"})
	if err != nil {
		s.t.Fatal(err)
	}
	handler, err := server.Handler()
	if err != nil {
		s.t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	s.t.Cleanup(func() { cancel(); front.CloseClientConnections(); front.Close() })
	return front.URL
}

// add stores n events; user and product may be anything.
func (s *site) add(n int, kind, user, product, price string, at time.Time) {
	s.t.Helper()
	s.engine.Query(s.t, s.database, fmt.Sprintf(`INSERT INTO events (event_id, event_type, user_id, product_id, price, timestamp, received_at, _stream, _partition, _offset)
		SELECT generateUUIDv4(), %s, %s, %s, %s, fromUnixTimestamp64Milli(%d, 'UTC') AS at, at, 0, 0, number FROM numbers(%d)`,
		literal(kind), literal(user), literal(product), price, at.UnixMilli(), n))
}

func literal(s string) string { return "'" + escapes.Replace(s) + "'" }

// get reads an address of the page; the status must be as wanted.
func (s *site) get(path string, status int) string {
	s.t.Helper()
	r, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if r.StatusCode != status {
		s.t.Fatalf("GET %s: got %d, want %d: %s", path, r.StatusCode, status, body)
	}
	return string(body)
}

// read decodes an answer of 200.
func read[T any](s *site, path string) (out T) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.get(path, http.StatusOK)), &out); err != nil {
		s.t.Fatalf("GET %s: %v", path, err)
	}
	return out
}

// panel asks for one panel of a board by its title.
func (s *site) panel(board, title, query string) Answer {
	s.t.Helper()
	for _, p := range read[described](s, "/api/boards/"+board).Panels {
		if p.Title == title {
			return read[Answer](s, fmt.Sprintf("/api/boards/%s/panels/%d?%s", board, p.ID, query))
		}
	}
	s.t.Fatalf("board %s has no panel %q", board, title)
	return Answer{}
}

// own writes dashboards into a folder and returns it.
func own(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// oneBoard is a dashboard of these panels, given as JSON.
func oneBoard(uid string, panels ...string) string {
	return fmt.Sprintf(`{"uid":%q,"title":"Board %s","schemaVersion":41,"refresh":"1s","time":{"from":"now-5m","to":"now"},"panels":[%s]}`,
		uid, uid, strings.Join(panels, ","))
}

// onePanel is a panel with this query, and more keys as JSON.
func onePanel(id int, kind, sql, more string) string {
	query, _ := json.Marshal(sql)
	format := formatTable
	if kind == "timeseries" {
		format = formatSeries
	}
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`{"id":%d,"type":%q,"title":"panel %d","gridPos":{"x":0,"y":0,"w":12,"h":8},
		"datasource":{"type":"grafana-clickhouse-datasource","uid":"clickhouse"},"targets":[{"refId":"A","rawSql":%s,"format":%d}]%s}`, id, kind, id, query, format, more)
}

// patience is far above what anything here takes: test machines are shared.
const patience = 30 * time.Second

// await repeats a check until it holds.
func await(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

package browser

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
)

// target is a door that foreign pages knock at: what they ask it by GET, and by POST
// with a body; "" for a door that takes none.
type target struct {
	Get  string `json:"get"`
	Post string `json:"post"`
	Body string `json:"body"`
}

// watched puts a proxy before a server, which tells how each request was answered: what
// a browser gets it does not always tell. It returns the proxy's address.
func watched(t *testing.T, server string, answers chan<- int) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.URL.Path != "/favicon.ico" { // the browser's own wish
			answers <- r.StatusCode
		}
		return nil
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// TestForeignPages: a page of another site, and one of another port of this machine,
// reach nothing in a real browser, whatever way they ask: not the engine, not the live
// page, and not the API that runs pipelines.
func TestForeignPages(t *testing.T) {
	found := findTools(t)
	s := enginetest.Start(t)
	db := s.Database(t)
	s.Query(t, db, "CREATE TABLE hits (way String) ENGINE = Memory")
	file := filepath.Join(t.TempDir(), "written")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>evil</title><body>") // a browser that has gone is not our affair
	}))
	defer evil.Close()
	port := evil.URL[strings.LastIndex(evil.URL, ":"):]
	answers := make(chan int, 1000)
	engine := "http://" + watched(t, s.HTTP, answers)
	page, api, streams := newStack(t), freeAddress(t), filepath.Join(t.TempDir(), "streams.yaml")
	if err := errors.Join(os.Mkdir(page.boards, 0o700), os.WriteFile(streams, []byte("http: { address: '"+api+"' }\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	page.startPage()
	page.start("streams", "", "streams", "-o", streams)
	page.await("the API of streams to answer", func() error {
		r, err := http.Get("http://" + api + "/ping")
		if err == nil {
			_ = r.Body.Close()
		}
		return err
	})
	live, runs := "http://"+watched(t, page.address, answers), "http://"+watched(t, api, answers)
	targets := []target{{
		Get: live + "/api/counts", Post: live + "/api/boards",
	}, {
		Get: runs + "/metrics", Post: runs + "/streams/x",
		Body: `{"input":{"generate":{"mapping":"root = 1","count":1}},"pipeline":{"processors":[{"command":{"name":"touch","args_mapping":"[\"` + file + `\"]"}}]},"output":{"drop":{}}}`,
	}, {
		Get:  engine + "/?query=" + url.QueryEscape("SELECT 'x' INTO\u3000OUTFILE '"+file+"' APPEND"),
		Post: engine + "/", Body: "INSERT INTO " + db + ".hits SELECT 'post' -- ",
	}}
	services := map[string]service{
		"targets": func(json.RawMessage) (any, error) { return targets, nil },
		"answered": func(json.RawMessage) (any, error) {
			select {
			case status := <-answers:
				return status, nil
			case <-time.After(10 * time.Second):
				return nil, errors.New("no request has come")
			}
		},
	}
	d := startDriver(t, found)
	for name, page := range map[string]string{
		"another site": "http://evil.localhost" + port + "/",
		"another port": "http://127.0.0.1" + port + "/",
	} {
		t.Run(name, func(t *testing.T) { d.run(t, "foreign", page, services) })
	}
	t.Run("a person", func(t *testing.T) { d.run(t, "typed", engine+"/?query=SELECT+1+FORMAT+JSON", services) })
	if got := s.Query(t, db, "SELECT count() FROM hits"); got != "0" {
		t.Errorf("rows that foreign pages stored: got %s", got)
	}
	if _, err := os.Stat(file); err == nil {
		t.Errorf("a foreign page has written %s", file)
	}
}

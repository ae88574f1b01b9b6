package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pageAt starts `clickstream page` on a free port and returns its address.
func pageAt(t *testing.T, env []string, args ...string) (*proc, string) {
	t.Helper()
	p := start(t, env, append([]string{"page", "--listen", "127.0.0.1:0"}, args...)...)
	return p, p.awaitLine(`page ready: (http://127\.0\.0\.1:\d+)\n`)[0]
}

// TestPage: one line when it answers, the events of the table, boards of the user's
// own, and an orderly end.
func TestPage(t *testing.T) {
	s := newStack(t)
	s.produce(eventJSON(1), eventJSON(2), "no event")
	consume := s.pipeline("consume", nil)
	s.drained()
	consume.stop()
	folder := t.TempDir()
	board := `{"uid":"mine","title":"Mine","panels":[{"id":1,"type":"stat","title":"rows","gridPos":{"x":0,"y":0,"w":4,"h":4},
		"datasource":{"type":"grafana-clickhouse-datasource","uid":"x"},"targets":[{"rawSql":"SELECT count() AS rows FROM events","format":1}]}]}`
	if err := os.WriteFile(filepath.Join(folder, "mine.json"), []byte(board), 0o644); err != nil {
		t.Fatal(err)
	}
	p, url := pageAt(t, s.env(), "--dashboards", folder)
	await(t, "the counts of the page", func() error {
		if got := fetch(t, url+"/api/counts"); got != `{"total":3,"good":2,"bad":1}` {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
	var answer struct{ Items []struct{ Text string } }
	if err := json.Unmarshal([]byte(fetch(t, url+"/api/boards/mine/panels/1")), &answer); err != nil || len(answer.Items) != 1 || answer.Items[0].Text != "2" {
		t.Errorf("the user's own panel: got %+v, %v, want 2", answer, err)
	}
	live, err := http.Get(url + "/api/live?board=mine") // a viewer that stays does not hold up the end
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	p.stop()
}

// TestPageWithoutServer: the page comes up, and says what is missing.
func TestPageWithoutServer(t *testing.T) {
	_, url := pageAt(t, []string{"CLICKHOUSE_ADDR=127.0.0.1:1"})
	if got := fetch(t, url+"/api/boards/clickstream-shop/panels/1"); !strings.Contains(got, "connection refused") {
		t.Errorf("a panel: got %s, want the driver's words", got)
	}
}

func TestPageRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"argument":     {[]string{"boards"}, exitUsage, `page: want flags only, got "boards"`},
		"flag":         {[]string{"--prot", "1"}, exitUsage, "prot"},
		"every host":   {[]string{"--listen", "0.0.0.0:0"}, exitFailure, "want a loopback address"},
		"no port":      {[]string{"--listen", "127.0.0.1"}, exitFailure, "want host:port"},
		"taken port":   {[]string{"--listen", l.Addr().String()}, exitFailure, "is in use by process"},
		"no folder":    {[]string{"--listen", "127.0.0.1:0", "--dashboards", "/nowhere"}, exitFailure, "folder of dashboards: open /nowhere"},
		"bad server":   {[]string{"--clickhouse", "nowhere"}, exitConfig, `clickhouse addresses: want host:port, got "nowhere", which has no port`},
		"certificates": {[]string{"--clickhouse-tls-ca", "x.pem"}, exitConfig, "TLS is off"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil, append([]string{"page"}, tc.args...)...)
			if code := p.exit(); code != tc.code || !strings.Contains(p.out.String(), tc.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tc.code, tc.want, p.out)
			}
		})
	}
}

// fetch reads an address of a page.
func fetch(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// strangers are requests that a browser makes for a page that is not ours.
var strangers = map[string]http.Header{
	"a form of another site":           {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Origin": {"https://evil.example"}, "Content-Type": {"text/plain"}},
	"a link of another site":           {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}},
	"an image on another site":         {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}},
	"a script of another port":         {"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:8000"}, "Content-Type": {"text/plain"}},
	"a sandboxed frame":                {"Origin": {"null"}},
	"an old browser's image":           {"User-Agent": {"Mozilla/5.0"}, "Referer": {"https://evil.example/"}},
	"a page under a rebound name":      {"Host": {"evil.example"}},
	"a browser before it asks (CORS)":  {"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"}},
	"two origins, one of them is ours": {"Origin": {"http://127.0.0.1", "https://evil.example"}},
}

// knock sends one request as it is, and returns its status.
func knock(t *testing.T, method, url, body string, header http.Header) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	request.Host = header.Get("Host")
	r, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	return r.StatusCode
}

// TestStreamsTakesNoPipelineOfAPage: `clickstream streams` runs what it is sent, a
// command too, so that nothing may come from a page: a text/plain form did.
func TestStreamsTakesNoPipelineOfAPage(t *testing.T) {
	dir := t.TempDir()
	root, taken := filepath.Join(dir, "root.yaml"), filepath.Join(dir, "taken")
	address := freeAddress(t)
	if err := os.WriteFile(root, []byte("http: { address: '"+address+"' }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "streams", "-o", root)
	p.awaitLine("streams mode")
	stream := `{"input":{"generate":{"mapping":"root = \"x\"","count":1}},"pipeline":{"processors":[{"command":{"name":"touch","args_mapping":"[\"` + taken + `\"]"}}]},"output":{"drop":{}}}`
	for name, header := range strangers {
		for _, ask := range []struct{ method, path, body string }{
			{http.MethodPost, "/streams/x", stream}, {http.MethodPost, "/streams", `{"x":` + stream + `}`},
			{http.MethodPut, "/benthos/streams/x", stream}, {http.MethodOptions, "/streams/x", ""},
			{http.MethodGet, "/streams", ""}, {http.MethodGet, "/metrics", ""}, {http.MethodGet, "/ready", ""}, {http.MethodGet, "/version", ""},
		} {
			if got := knock(t, ask.method, "http://"+address+ask.path, ask.body, header); got != http.StatusForbidden {
				t.Errorf("%s: %s %s: got %d, want 403", name, ask.method, ask.path, got)
			}
		}
	}
	if _, err := os.Stat(taken); err == nil {
		t.Error("a page's command ran")
	}
	if got := knock(t, http.MethodPost, "http://"+address+"/streams/x", stream, http.Header{}); got != http.StatusOK {
		t.Errorf("a program: got %d, want 200", got)
	}
	await(t, "the program's command to run", func() error { _, err := os.Stat(taken); return err })
}

// TestPipelineDoor: every path of a pipeline's HTTP server, and the pages that its
// operator let in.
func TestPipelineDoor(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		http   string
		header http.Header
		want   int
	}{
		"a program":              {"", http.Header{}, 200},
		"typed":                  {"", http.Header{"Sec-Fetch-Site": {"none"}, "User-Agent": {"Mozilla/5.0"}}, 200},
		"another site":           {"", strangers["a link of another site"], 403},
		"not the site let in":    {", cors: { enabled: true, allowed_origins: [ 'https://shop.example' ] }", http.Header{"Origin": {"https://evil.example"}}, 403},
		"the site let in":        {", cors: { enabled: true, allowed_origins: [ 'https://shop.example' ] }", http.Header{"Origin": {"https://shop.example"}}, 200},
		"a list that is not on":  {", cors: { enabled: false, allowed_origins: [ 'https://shop.example' ] }", http.Header{"Origin": {"https://shop.example"}}, 403},
		"a path under the root":  {", root_path: /x", strangers["an image on another site"], 403},
		"the debugger's secrets": {", debug_endpoints: true", strangers["a link of another site"], 403},
	} {
		t.Run(name, func(t *testing.T) {
			address, file := freeAddress(t), filepath.Join(dir, strings.ReplaceAll(name, " ", "_")+".yaml")
			yaml := "http: { address: '" + address + "'" + tc.http + " }\ninput: { generate: { mapping: 'root = 1', interval: 1h } }\noutput: { drop: {} }\n"
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			p := start(t, nil, "-c", file)
			p.awaitLine("Launching")
			for _, path := range []string{"/ping", "/version", "/endpoints", "/metrics", "/stats"} {
				await(t, path+" to be answered", func() error { // the server may not listen yet
					r, err := http.Get("http://" + address + path)
					if err == nil {
						_ = r.Body.Close()
					}
					return err
				})
				if got := knock(t, http.MethodGet, "http://"+address+path, "", tc.header); got != tc.want {
					t.Errorf("%s: got %d, want %d", path, got, tc.want)
				}
			}
			p.kill()
		})
	}
}

// TestEngineThatCannotStart says why, and nothing of a fence that it never came to.
func TestEngineThatCannotStart(t *testing.T) {
	s := &stack{t: t, dir: t.TempDir(), native: freeAddress(t), http: freeAddress(t)}
	s.startEngine()
	for name, tc := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"folder in use": {nil, []string{"--data", filepath.Join(s.dir, "engine"), "--native", freeAddress(t), "--http", freeAddress(t)}, "in use by process"},
		"port in use":   {nil, []string{"--data", t.TempDir(), "--native", s.native, "--http", freeAddress(t)}, "in use by"},
		"no library":    {[]string{"CLICKSTREAM_ENGINE_LIBRARY=/missing"}, []string{"--data", t.TempDir(), "--native", freeAddress(t), "--http", freeAddress(t)}, "/missing"},
	} {
		p := start(t, tc.env, append([]string{"engine"}, tc.args...)...)
		if code := p.exit(); code == exitOK || !strings.Contains(p.out.String(), tc.want) || strings.Count(p.out.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d, want one line with %q:\n%s", name, code, tc.want, p.out)
		}
	}
}

package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask sends one request as it is.
func (s *site) ask(method, path string, header map[string]string) (*http.Response, []byte) {
	t := s.t
	t.Helper()
	request, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if host := header["Host"]; host != "" {
		request.Host = host
	}
	r, err := http.DefaultTransport.RoundTrip(request) // it neither follows nor unpacks
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

// TestPolicy: the strict headers are on every answer, whatever it is.
func TestPolicy(t *testing.T) {
	s := newSite(t, "")
	for _, path := range []string{"/", "/app.js", "/nothing", "/api/boards", "/api/boards/none", "/api/counts"} {
		r, _ := s.ask(http.MethodGet, path, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestGuard(t *testing.T) {
	s := newSite(t, "")
	for name, tc := range map[string]struct {
		method string
		header map[string]string
		want   int
	}{
		"localhost":              {http.MethodGet, map[string]string{"Host": "localhost:3000"}, 200},
		"other port":             {http.MethodGet, map[string]string{"Host": "LOCALHOST"}, 200},
		"IPv6":                   {http.MethodGet, map[string]string{"Host": "[::1]:3000"}, 200},
		"rebound name":           {http.MethodGet, map[string]string{"Host": "evil.example:3000"}, 403},
		"suffix":                 {http.MethodGet, map[string]string{"Host": "127.0.0.1.evil.example"}, 403},
		"another address":        {http.MethodGet, map[string]string{"Host": "192.168.1.5:3000"}, 403},
		"another site":           {http.MethodGet, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a page of another port": {http.MethodGet, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"another origin":         {http.MethodGet, map[string]string{"Origin": "http://localhost:8000"}, 403},
		"typed":                  {http.MethodGet, map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200},
		"our own page":           {http.MethodGet, map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"head":                   {http.MethodHead, nil, 200},
		"post":                   {http.MethodPost, nil, 405},
		"delete":                 {http.MethodDelete, nil, 405},
		"upgrade to nobody":      {http.MethodOptions, nil, 405},
	} {
		if r, _ := s.ask(tc.method, "/api/boards", tc.header); r.StatusCode != tc.want {
			t.Errorf("%s: got %d, want %d", name, r.StatusCode, tc.want)
		}
	}
}

// TestStatic: files are compressed, typed, and known again.
func TestStatic(t *testing.T) {
	s := newSite(t, "")
	plain, body := s.ask(http.MethodGet, "/", map[string]string{"Accept-Encoding": "identity"})
	small, packed := s.ask(http.MethodGet, "/", map[string]string{"Accept-Encoding": "gzip, br"})
	if got := plain.Header.Get("Content-Type"); got != "text/html; charset=utf-8" || plain.Header.Get("Content-Encoding") != "" {
		t.Errorf("plain: got %v", plain.Header)
	}
	unpacked := &bytes.Buffer{}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		_, err = io.Copy(unpacked, r)
	}
	if err != nil || !bytes.Equal(unpacked.Bytes(), body) || len(packed) >= len(body) || small.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("packed: %d bytes of %d, %v, %v", len(packed), len(body), err, small.Header)
	}
	for _, answer := range []*http.Response{plain, small} {
		tag := answer.Header.Get("ETag")
		again, none := s.ask(http.MethodGet, "/", map[string]string{"If-None-Match": tag, "Accept-Encoding": map[bool]string{true: "gzip", false: "identity"}[answer == small]})
		if again.StatusCode != http.StatusNotModified || len(none) > 0 || tag == "" {
			t.Errorf("%s again: got %d and %d bytes, want 304", tag, again.StatusCode, len(none))
		}
	}
	if plain.Header.Get("ETag") == small.Header.Get("ETag") {
		t.Error("the packed file has the tag of the plain one")
	}
	for path, want := range map[string]string{"/app.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"} {
		if r, _ := s.ask(http.MethodGet, path, nil); r.Header.Get("Content-Type") != want || !strings.HasPrefix(r.Header.Get("ETag"), `"`) {
			t.Errorf("%s: got %v", path, r.Header)
		}
	}
}

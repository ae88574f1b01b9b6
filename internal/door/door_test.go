package door

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// firefox is what a browser of before 2023 says of itself.
const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:89.0) Gecko/20100101 Firefox/89.0"

// TestRefusal: one line is one way to knock; headers are "Name: value" lines.
func TestRefusal(t *testing.T) {
	for name, tc := range map[string]struct {
		method, headers, want string
	}{
		"curl":                          {"POST", "User-Agent: curl/8.5.0", ""},
		"clickhouse-go":                 {"POST", "User-Agent: clickhouse-go/2.50.0", ""},
		"Java":                          {"GET", "User-Agent: Java/21\nAccept: text/html, image/gif, image/jpeg, */*; q=.2", ""},
		"Node's fetch":                  {"POST", "User-Agent: node\nAccept-Language: *\nSec-Fetch-Mode: cors", ""},
		"Prometheus":                    {"GET", "User-Agent: Prometheus/3.5.0\nAccept: application/openmetrics-text", ""},
		"HTTP/1.0 without a host":       {"GET", "Host: ", ""},
		"localhost":                     {"GET", "Host: localhost:8123", ""},
		"localhost in capitals":         {"GET", "Host: LOCALHOST", ""},
		"a name below localhost":        {"GET", "Host: shop.localhost.:8123", ""},
		"IPv6":                          {"GET", "Host: [::1]:8123", ""},
		"a container's name":            {"GET", "Host: Consumer:4195", ""},
		"rebound name":                  {"GET", "Host: evil.example:8123", "answers to localhost"},
		"rebound name, no port":         {"GET", "Host: evil.example", "answers to localhost"},
		"a loopback address as a label": {"GET", "Host: 127.0.0.1.evil.example", "answers to localhost"},
		"localhost as a label":          {"GET", "Host: localhost.evil.example", "answers to localhost"},
		"another address":               {"GET", "Host: 192.168.1.5:8123", "answers to localhost"},
		"the address of all interfaces": {"GET", "Host: 0.0.0.0:8123", "answers to localhost"},

		"typed by a person":                  {"GET", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nUser-Agent: " + firefox, ""},
		"our own page":                       {"POST", "Sec-Fetch-Site: same-origin\nOrigin: http://localhost:8123\nUser-Agent: " + firefox, ""},
		"our own page reads":                 {"GET", "Sec-Fetch-Site: same-origin\nReferer: http://localhost:8123/\nUser-Agent: " + firefox, ""},
		"our own page in an old browser":     {"POST", "Origin: http://localhost:8123\nUser-Agent: " + firefox, ""},
		"another site":                       {"GET", "Sec-Fetch-Site: cross-site", "another site"},
		"another site's link":                {"GET", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nSec-Fetch-User: ?1", "type the address"},
		"another port's page":                {"GET", "Sec-Fetch-Site: same-site", "another site or port"},
		"a site value of the future":         {"GET", "Sec-Fetch-Site: friendly", "another site"},
		"two site values":                    {"GET", "Sec-Fetch-Site: same-origin\nSec-Fetch-Site: cross-site", "another site"},
		"a form sent from nowhere":           {"POST", "Sec-Fetch-Site: none", "another site"},
		"foreign origin":                     {"POST", "Origin: https://evil.example", "another site"},
		"foreign origin, friendly site":      {"POST", "Origin: https://evil.example\nSec-Fetch-Site: same-origin", "another site"},
		"origin of another port":             {"POST", "Origin: http://localhost:3000", "another site or port"},
		"origin of another name of loopback": {"POST", "Origin: http://127.0.0.1:8123", "another site"},
		"origin of a file":                   {"POST", "Origin: null", "another site"},
		"empty origin":                       {"POST", "Origin: ", "another site"},
		"origin of an extension":             {"POST", "Origin: moz-extension://localhost:8123", "another site"},
		"two origins":                        {"POST", "Origin: http://localhost:8123\nOrigin: https://evil.example", "another site"},
		"preflight":                          {"OPTIONS", "Origin: https://evil.example\nAccess-Control-Request-Method: POST", "another site"},

		"old browser":                      {"GET", "User-Agent: " + firefox, "does not say which page asks"},
		"old browser, referer":             {"GET", "Referer: https://evil.example/", "does not say which page asks"},
		"a program that follows us":        {"GET", "User-Agent: Go-http-client/1.1\nReferer: http://localhost:8123/a", ""},
		"old browser, navigation":          {"GET", "Upgrade-Insecure-Requests: 1", "does not say which page asks"},
		"client hints alone":               {"GET", `Sec-Ch-Ua: "Chromium";v="140"`, "does not say which page asks"},
		"a prefetch":                       {"GET", "Purpose: prefetch", "does not say which page asks"},
		"old browser, name of a container": {"GET", "Host: consumer:4195\nUser-Agent: " + firefox, "does not say which page asks"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Refusal(request(tc.method, tc.headers), "consumer")
			if tc.want == "" && got != "" || tc.want != "" && !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// request is one with these header lines, to localhost:8123 unless they say otherwise.
func request(method, headers string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	r.Host = "localhost:8123"
	for line := range strings.Lines(headers) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if field == "Host" {
			r.Host = value
		} else {
			r.Header.Add(field, value)
		}
	}
	return r
}

// TestGuard: what is refused does not reach the server behind, and is told so.
func TestGuard(t *testing.T) {
	reached := 0
	guarded := Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }), "consumer")
	for host, want := range map[string]int{"consumer:4195": 200, "evil.example": 403} {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Host = host
		guarded.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %d, want %d; %v", host, w.Code, want, w.Header())
		}
	}
	if reached != 1 {
		t.Errorf("requests that got through: got %d, want 1", reached)
	}
}

// TestOpen: a server that others reach by names that nobody told it.
func TestOpen(t *testing.T) {
	for name, tc := range map[string]struct {
		headers string
		want    int
	}{
		"Prometheus, by a cluster's name":   {"Host: consumer.clickstream.svc.cluster.local:4195", 200},
		"a probe, by address":               {"Host: 10.1.2.3:4195", 200},
		"a person, by address":              {"Host: 10.1.2.3:4195\nUser-Agent: " + firefox, 200},
		"a person, by a container's name":   {"Host: consumer:4195\nUser-Agent: " + firefox + "\nSec-Fetch-Site: none", 200},
		"a browser under a stranger's name": {"Host: evil.example:4195\nUser-Agent: " + firefox, 403},
		"the same with a friendly site":     {"Host: evil.example:4195\nUser-Agent: " + firefox + "\nSec-Fetch-Site: same-origin", 403},
		"a page of another site":            {"Host: 10.1.2.3:4195\nSec-Fetch-Site: cross-site", 403},
		"a page of another origin":          {"Host: consumer:4195\nOrigin: https://evil.example", 403},
	} {
		w := httptest.NewRecorder()
		Open(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, request(http.MethodGet, tc.headers))
		if w.Code != tc.want {
			t.Errorf("%s: got %d, want %d", name, w.Code, tc.want)
		}
	}
}

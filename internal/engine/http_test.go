package engine_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"
)

// call is one HTTP request, as a tool other than clickhouse-go would send it.
type call struct {
	method, path string
	query        url.Values
	body         string
	header       http.Header
}

// send returns the answer and its whole body.
func (c call) send(t *testing.T, s enginetest.Server) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(c.method, "http://"+s.HTTP+"/"+c.path+"?"+c.query.Encode(), strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	if host := c.header.Get("Host"); host != "" {
		r.Host = host
	}
	response, err := http.DefaultTransport.RoundTrip(r) // no help with compression or redirects
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// TestHTTP is the interface as curl uses it.
func TestHTTP(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	s.Query(t, db, "CREATE TABLE t (a Nullable(Int32), b String) ENGINE = Memory")
	in := func(pairs ...string) url.Values {
		v := url.Values{"database": {db}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, tc := range []struct {
		name string
		call call
		code int
		want string
	}{
		{"ping", call{method: "GET", path: "ping"}, 200, "Ok.\n"},
		{"root", call{method: "GET"}, 200, "Ok.\n"},
		{"unknown path", call{method: "GET", path: "play"}, 404, "There is no handle /play\n"},
		{"GET", call{method: "GET", query: in("query", "SELECT 1, 'a'")}, 200, "1\ta\n"},
		{"GET is read only", call{method: "GET", query: in("query", "DROP TABLE t")}, 500, "Code: 164."},
		{"GET stays read only", call{method: "GET", query: in("query", "DROP TABLE t", "readonly", "0")}, 500, "Code: 164."},
		{"POST", call{method: "POST", query: in(), body: "SELECT 1; -- over\n"}, 200, "1\n"},
		{"query and body", call{method: "POST", query: in("query", "SELECT"), body: "2"}, 200, "2\n"},
		{"empty", call{method: "POST", query: in()}, 400, "Code: 62. DB::Exception: Empty query."},
		{"format clause", call{method: "POST", query: in(), body: "SELECT 1 AS a FORMAT JSONEachRow"}, 200, `{"a":1}` + "\n"},
		{"default format", call{method: "POST", query: in("default_format", "CSVWithNames"), body: "SELECT 1 AS a"}, 200, "\"a\"\n1\n"},
		{"format header", call{method: "POST", query: in(), body: "SELECT 1 AS a", header: http.Header{"X-Clickhouse-Format": {"JSONCompactEachRow"}}}, 200, "[1]\n"},
		{"setting", call{method: "POST", query: in("max_block_size", "7"), body: "SELECT max(blockSize()) FROM numbers(20)"}, 200, "7\n"},
		{"unknown setting", call{method: "POST", query: in("no_such", "1"), body: "SELECT 1"}, 404, "Code: 115."},
		{"parameter", call{method: "POST", query: in("param_x", "it's"), body: "SELECT {x:String}"}, 200, "it\\'s\n"},
		{"unknown database", call{method: "POST", query: url.Values{"database": {"missing"}}, body: "SELECT 1"}, 404, "Code: 81."},
		{"rows in the body", call{method: "POST", query: in("query", "INSERT INTO t FORMAT TSV"), body: "1\tx\n2\ty\n"}, 200, ""},
		{"rows behind the statement", call{method: "POST", query: in(), body: "INSERT INTO t (b) FORMAT TSV\none\n\nthree\n"}, 200, ""},
		{"values", call{method: "POST", query: in(), body: "INSERT INTO t VALUES\n(5, 'a;')\n\n,(6, 'b')"}, 200, ""},
		{"values in the body", call{method: "POST", query: in("query", "INSERT INTO t VALUES"), body: "(7, 'c')"}, 200, ""},
		{"bad rows", call{method: "POST", query: in(), body: "INSERT INTO t FORMAT TSV\n1\tx\nnot a number\ty\n"}, 400, "Code: 27."},
		{"all rows", call{method: "POST", query: in(), body: "SELECT count(), countIf(b = ''), sum(a) FROM t"}, 200, "8\t1\t21\n"},
		{"encodings", call{method: "POST", query: in(), body: "SELECT 1", header: http.Header{"Content-Encoding": {"nonsense"}}}, 500, "Code: 89."},
		{"web page of another site", call{method: "POST", query: in(), body: "SELECT 1", header: http.Header{"Origin": {"https://example.com"}}}, 403, "a page of another site or port may not ask this server"},
		{"name of another site", call{method: "POST", query: in(), body: "SELECT 1", header: http.Header{"Host": {"example.com"}}}, 403, "this server answers to localhost"},
		{"web page of another port", call{method: "POST", query: in(), body: "SELECT 1", header: http.Header{"Origin": {"http://localhost:3000"}}}, 403, "a page of another site or port"},
		{"web page's image", call{method: "GET", query: in("query", "SELECT 1"), header: http.Header{"Sec-Fetch-Site": {"cross-site"}}}, 403, "a page of another site or port"},
		{"typed by a person", call{method: "GET", query: in("query", "SELECT 1"), header: http.Header{"Sec-Fetch-Site": {"none"}}}, 200, "1\n"},
		{"DELETE", call{method: "DELETE", query: in(), body: "SELECT 1"}, 405, "want GET, HEAD or POST"},
	} {
		response, body := tc.call.send(t, s)
		if response.StatusCode != tc.code || tc.code == 200 && body != tc.want || !strings.HasPrefix(body, tc.want) {
			t.Errorf("%s\n got %d %q\nwant %d %q", tc.name, response.StatusCode, body, tc.code, tc.want)
		}
		if got := response.Header.Get("X-ClickHouse-Exception-Code"); got != "" && !strings.HasPrefix(tc.want, "Code: "+got+".") {
			t.Errorf("%s: exception code: got %s", tc.name, got)
		}
	}
}

// TestInlineRows: every line behind FORMAT is data, the empty ones too, however
// long the text is.
func TestInlineRows(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	s.Query(t, db, "CREATE TABLE t (a String) ENGINE = Memory")
	for rows := 10; rows <= 1_000_000; rows *= 100 {
		s.Query(t, db, "TRUNCATE TABLE t")
		s.Query(t, db, "INSERT INTO t FORMAT TSV\n"+strings.Repeat("x\n\n", rows/2))
		if got, want := s.Query(t, db, "SELECT count(), countIf(a = '') FROM t"), fmt.Sprintf("%d\t%d", rows, rows/2); got != want {
			t.Errorf("rows: got %s\nwant %s", got, want)
		}
	}
}

// TestGzip: both directions.
func TestGzip(t *testing.T) {
	s := enginetest.Start(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, "SELECT sum(number) FROM numbers(10)") // a bytes.Buffer takes everything
	_ = w.Close()
	response, body := call{
		method: "POST", query: url.Values{"enable_http_compression": {"1"}}, body: packed.String(),
		header: http.Header{"Content-Encoding": {"gzip"}, "Accept-Encoding": {"gzip"}},
	}.send(t, s)
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s %q: %v", response.Status, body, err)
	}
	text, err := io.ReadAll(r)
	if string(text) != "45\n" || err != nil {
		t.Errorf("answer: got %q, %v\nwant 45", text, err)
	}
	response, body = call{method: "POST", body: packed.String()[:20], header: http.Header{"Content-Encoding": {"gzip"}}}.send(t, s)
	if response.StatusCode == http.StatusOK {
		t.Errorf("cut body: got %d %q\nwant an error", response.StatusCode, body)
	}
}

// TestFormats: an answer of many blocks is one document in every format.
func TestFormats(t *testing.T) {
	s := enginetest.Start(t)
	for format, want := range map[string]string{
		"JSON":         `"rows": 200000,`,
		"CSVWithNames": "\"number\"\n",
		"TSVWithNames": "number\n",
		"JSONCompact":  `"rows": 200000,`,
	} {
		body := s.Query(t, "", "SELECT number FROM numbers(200000) FORMAT "+format)
		if got := strings.Count(body, want); got != 1 {
			t.Errorf("%s: %q: got %d times\nwant once", format, want, got)
		}
	}
	if body := s.Query(t, "", "SELECT number FROM numbers(200000) FORMAT TSV"); strings.Count(body, "\n") != 199_999 {
		t.Errorf("TSV: got %d line ends\nwant 199999", strings.Count(body, "\n"))
	}
}

// TestCurl is the documented command, if curl is there.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	s := enginetest.Start(t)
	out, err := exec.Command(curl, "-sS", "--compressed", "http://"+s.HTTP+"/?enable_http_compression=1", "--data-binary", "SELECT 6 * 7").CombinedOutput()
	if string(out) != "42\n" || err != nil {
		t.Errorf("curl: got %q, %v\nwant 42", out, err)
	}
}

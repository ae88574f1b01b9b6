package front

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
	"clickstream/internal/engine/wire"
)

// reserved are the parameters of the interface; every other one is a setting.
var reserved = map[string]bool{
	"query": true, "database": true, "default_format": true, "query_id": true,
	"user": true, "password": true, "quota_key": true, "role": true, "stacktrace": true,
	"session_id": true, "session_timeout": true, "session_check": true, "close_session": true,
	"compress": true, "decompress": true, "network_compression_method": true, "network_zstd_compression_level": true,
	"enable_http_compression": true, "http_zlib_compression_level": true,
	"client_protocol_version": true, "wait_end_of_query": true, "buffer_size": true,
	"http_write_exception_in_output_format": true, "add_http_cors_header": true,
	"send_progress_in_http_headers": true, "http_headers_progress_interval_ms": true,
	"cancel_http_readonly_queries_on_client_close": true,
}

var (
	settingName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
	externalName = regexp.MustCompile(`_(structure|types|format)$`)
)

// input is the statement of a request and what came with it.
type input struct {
	statement.Statement
	data   io.Reader            // rows of an INSERT, inline and in the body
	tables map[string]io.Reader // external tables
	params []chdb.Param
	toll   *toll
}

// read takes the statement from ?query=, the form and the body, in this order.
func (x *exchange) read() (input, error) {
	in := input{toll: &toll{ReadCloser: x.r.Body, x: x, free: freeBytes}}
	multipart := strings.HasPrefix(x.r.Header.Get("Content-Type"), "multipart/form-data")
	if encoding := x.r.Header.Get("Content-Encoding"); multipart || encoding != "" && encoding != "identity" || x.values.Get("decompress") == "1" {
		in.toll.free = 0
	}
	x.r.Body = in.toll
	sql := x.values.Get("query")
	body, err := x.body()
	if err != nil {
		return in, err
	}
	if multipart {
		if in.tables, err = x.form(&sql); err != nil {
			return in, err
		}
		body = strings.NewReader("")
	}
	for name, value := range x.values {
		if name, ok := strings.CutPrefix(name, "param_"); ok {
			in.params = append(in.params, chdb.Param{Name: name, Value: value[0]})
		}
	}
	in.Statement = statement.Parse(sql)
	if in.Insert == nil {
		head, err := statementIn(body)
		if err != nil {
			return in, err
		}
		sql = join(sql, head)
		in.Statement = statement.Parse(sql)
	}
	switch {
	case in.Kind == "":
		return in, chdb.NewError(62, "SYNTAX_ERROR", "Empty query")
	case in.Problem != nil:
		return in, chdb.NewError(in.Problem.Code, in.Problem.Name, in.Problem.Message)
	case in.Insert != nil:
		in.data = io.MultiReader(strings.NewReader(inlineData(sql, in.Insert.Data)), body)
	}
	return in, nil
}

// inlineData is what stands behind an INSERT in its own text; blanks alone are
// nothing, and must not come before the rows in a body.
func inlineData(sql string, from int) string {
	if strings.Trim(sql[from:], " \t\r\n;") == "" {
		return ""
	}
	return sql[from:]
}

// join puts the body's text behind that of ?query=.
func join(query, body string) string {
	if query == "" || body == "" {
		return query + body
	}
	return query + "\n" + body
}

// firstPart is how much of a body is read to find an INSERT's data; what follows
// streams. A longer statement without data is read as a whole.
const firstPart = 1 << 20

func statementIn(body io.Reader) (string, error) {
	var head strings.Builder // grows as bytes come
	_, err := io.CopyN(&head, body, firstPart)
	switch {
	case errors.Is(err, io.EOF):
		return head.String(), nil
	case err != nil:
		return "", err
	case statement.Parse(head.String()).Insert != nil:
		return head.String(), nil
	}
	_, err = io.Copy(&head, io.LimitReader(body, wire.MaxString))
	return head.String(), err
}

// fill is io.ReadFull which tells the end of the data (io.EOF) from a client that
// broke off (io.ErrUnexpectedEOF).
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// form reads a multipart form: a query, and tables that are files or, from
// clickhouse-go, values.
func (x *exchange) form(sql *string) (map[string]io.Reader, error) {
	if err := x.r.ParseMultipartForm(1 << 20); err != nil {
		return nil, err
	}
	tables := map[string]io.Reader{}
	for name, value := range x.r.MultipartForm.Value {
		if name == "query" {
			*sql += value[0]
		} else {
			tables[name] = strings.NewReader(value[0])
		}
	}
	for name, files := range x.r.MultipartForm.File {
		file, err := files[0].Open()
		if err != nil {
			return nil, err
		}
		tables[name] = file // removed with the form by net/http
	}
	return tables, nil
}

// body undoes the compressions of a request's body.
func (x *exchange) body() (io.Reader, error) {
	body, err := decoded(x.r.Body, x.r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, chdb.NewError(354, "ZLIB_INFLATE_FAILED", "Request body: "+err.Error())
	}
	if body == nil {
		return nil, chdb.NewError(89, "UNKNOWN_COMPRESSION_METHOD", "Unknown compression method: "+x.r.Header.Get("Content-Encoding"))
	}
	if x.values.Get("decompress") == "1" {
		body = decompressed(body)
	}
	return body, nil
}

// maxWindow is what zstd's decoder keeps at most: what its levels up to 19 ask for.
const maxWindow = 8 << 20

// decoded returns nil for an encoding that it does not know.
func decoded(body io.Reader, encoding string) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	case "deflate":
		return zlib.NewReader(body)
	case "br":
		return brotli.NewReader(body), nil
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	case "lz4":
		return lz4.NewReader(body), nil
	}
	return nil, nil
}

// request is the session that the statement wants.
func (x *exchange) request() request {
	r := request{id: x.id, database: x.values.Get("database"), settings: map[string]string{}}
	if r.database == "" {
		r.database = x.r.Header.Get("X-ClickHouse-Database")
	}
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		r.readonly = "1" // a link must not change anything, nor a setting of its own statement
	}
	for name, value := range x.values {
		switch {
		case reserved[name], strings.HasPrefix(name, "param_"), !settingName.MatchString(name):
		case x.r.MultipartForm != nil && externalName.MatchString(name):
		case name == "readonly" && r.readonly != "":
		default:
			r.settings[name] = value[0]
		}
	}
	return r
}

package front

import (
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"

	chcompress "github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/wire"
)

// joinable are the formats without header and footer: only their chunks may be
// joined. Of every other one the engine makes a whole document per chunk.
var joinable = map[string]bool{
	"native": true, "rowbinary": true, "null": true, "lineasstring": true, "msgpack": true,
	"tabseparated": true, "tsv": true, "tabseparatedraw": true, "tsvraw": true, "csv": true,
	"jsoneachrow": true, "ndjson": true, "jsonlines": true, "jsoncompacteachrow": true, "jsonstringseachrow": true,
}

// contentTypes of formats that are not plain text.
var contentTypes = map[string]string{
	"json": "application/json; charset=UTF-8", "jsoncompact": "application/json; charset=UTF-8",
	"jsonstrings": "application/json; charset=UTF-8", "jsoneachrow": "application/x-ndjson; charset=UTF-8",
	"jsoncompacteachrow": "application/x-ndjson; charset=UTF-8",
	"csv":                "text/csv; charset=UTF-8; header=absent", "csvwithnames": "text/csv; charset=UTF-8; header=present",
	"tabseparated": "text/tab-separated-values; charset=UTF-8", "tsv": "text/tab-separated-values; charset=UTF-8",
	"tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8", "tsvwithnames": "text/tab-separated-values; charset=UTF-8",
	"native": "application/octet-stream", "rowbinary": "application/octet-stream", "parquet": "application/octet-stream",
	"arrow": "application/octet-stream", "arrowstream": "application/octet-stream", "msgpack": "application/octet-stream",
}

// setFormat announces the format of the answer.
func (x *exchange) setFormat(format string) {
	x.w.Header().Set("X-ClickHouse-Format", format)
	kind := contentTypes[strings.ToLower(format)]
	if kind == "" {
		kind = "text/plain; charset=UTF-8"
	}
	x.w.Header().Set("Content-Type", kind)
}

// setSummary tells what the statement did.
func (x *exchange) setSummary(s chdb.Stats) {
	x.w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(
		`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","total_rows_to_read":"0","result_rows":"%d","result_bytes":"%d","elapsed_ns":"%d"}`,
		s.ReadRows, s.ReadBytes, s.WrittenRows, s.WrittenBytes, s.ResultRows, s.ResultBytes, s.Elapsed.Nanoseconds()))
}

// encoder compresses an answer as its client asked.
type encoder struct {
	io.Writer
	framed bool         // ClickHouse's own frames rather than HTTP's
	end    func() error // writes what is left
}

// encoder makes one; the headers must not have been sent.
func (x *exchange) encoder() *encoder {
	none := func() error { return nil }
	if x.values.Get("compress") == "1" {
		method := chcompress.LZ4
		if strings.EqualFold(x.values.Get("network_compression_method"), "ZSTD") {
			method = chcompress.ZSTD
		}
		return &encoder{Writer: &framer{x.w, chcompress.NewWriter(chcompress.LevelZero, method)}, framed: true, end: none}
	}
	if x.values.Get("enable_http_compression") == "1" {
		for accepted := range strings.SplitSeq(x.r.Header.Get("Accept-Encoding"), ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(accepted), ";")
			if w := encoded(x.w, name); w != nil {
				x.w.Header().Set("Content-Encoding", name)
				return &encoder{Writer: w, end: w.Close}
			}
		}
	}
	return &encoder{Writer: x.w, end: none}
}

// encoded returns nil for an encoding that it does not know.
func encoded(w io.Writer, name string) io.WriteCloser {
	switch name {
	case "gzip":
		return gzip.NewWriter(w)
	case "deflate":
		return zlib.NewWriter(w)
	case "br":
		return brotli.NewWriter(w)
	case "zstd":
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil
		}
		return z
	}
	return nil
}

// framer compresses into ClickHouse's frames.
type framer struct {
	w io.Writer
	c *chcompress.Writer
}

func (f *framer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), frame)
		if err := f.c.Compress(rest[:n]); err != nil {
			return 0, err
		}
		if _, err := f.w.Write(f.c.Data); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// helloSQL is the first thing that clickhouse-go asks over HTTP. It decodes the
// answer at its own revision and everything after it at the one that it was told.
const helloSQL = "SELECT displayName(), version(), revision(), timezone()"

// customSerialization is the first revision with a flag before each column's data.
const customSerialization = 54454

// hello answers helloSQL with revision 0, the one at which the engine writes the
// Native format; nothing makes it write another.
func (x *exchange) hello(revision uint64) error {
	var block []byte
	if revision > 0 {
		block = append(block, blockInfo...)
	}
	block = append(block, 4, 1) // columns, rows
	for _, c := range []struct{ name, kind, value string }{
		{"displayName()", "String", x.backend.name},
		{"version()", "String", x.backend.version},
		{"revision()", "UInt32", ""},
		{"timezone()", "String", x.backend.zone},
	} {
		block = wire.AppendString(wire.AppendString(block, c.name), c.kind)
		if revision >= customSerialization {
			block = append(block, 0)
		}
		if c.kind == "UInt32" {
			block = append(block, 0, 0, 0, 0)
			continue
		}
		block = wire.AppendString(block, c.value)
	}
	x.setFormat("Native")
	out := x.encoder()
	if _, err := out.Write(block); err != nil {
		return nil // the client has gone
	}
	_ = out.end()
	return nil
}

package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"clickstream/internal/corpus"
)

// block encodes rows with the driver's encoder, the one that clients use.
func block(t testing.TB, columns []Column, rows ...[]any) []byte {
	t.Helper()
	b := proto.NewBlock()
	for _, c := range columns {
		if err := b.AddColumn(c.Name, column.Type(c.Type)); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range rows {
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	var out chproto.Buffer
	if err := b.Encode(&out, 0); err != nil {
		t.Fatal(err)
	}
	return out.Buf
}

func sample(t testing.TB) []byte {
	return block(t, []Column{
		{"a", "Array(LowCardinality(String))"}, {"b", "Map(String, Nullable(Int8))"}, {"c", "LowCardinality(Nullable(String))"},
		{"d", "Tuple(x Int8, y String)"}, {"e", "FixedString(3)"}, {"f", "Decimal(18, 4)"}, {"g", "Nested(p UInt8, q String)"},
	},
		[]any{[]string{"x", "y"}, map[string]*int8{"k": nil}, nil, []any{int8(1), "s"}, "abc", "1.5", []map[string]any{{"p": uint8(1), "q": "z"}}},
		[]any{[]string{}, map[string]*int8{}, ptr("v"), []any{int8(2), strings.Repeat("long", 100)}, "xyz", "2.5", []map[string]any{}},
	)
}

func ptr[T any](v T) *T { return &v }

// TestCopy: a block ends exactly where its last byte is, however the bytes come.
func TestCopy(t *testing.T) {
	data := append(sample(t), sample(t)...)
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
	} {
		in := bufio.NewReaderSize(r, 4096)
		var out bytes.Buffer
		for range 2 {
			h, err := Copy(&out, in)
			if err != nil || h.Rows != 2 || len(h.Columns) != 7 || h.Columns[6].Name != "g" {
				t.Fatalf("%s: got %+v, %v", name, h, err)
			}
		}
		if !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%s: copy differs", name)
		}
		if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: bytes left behind the blocks", name)
		}
	}
}

// TestCopyCut: a block that ends too early is an error wherever it ends.
func TestCopyCut(t *testing.T) {
	data := sample(t)
	for n := range data {
		if _, err := Copy(io.Discard, bufio.NewReader(bytes.NewReader(data[:n]))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("first %d bytes: got %v\nwant %v", n, err, io.ErrUnexpectedEOF)
		}
	}
}

// TestCopyHeader: a block without rows leaves its destination alone.
func TestCopyHeader(t *testing.T) {
	want := []Column{{"a", "String"}, {"b", "JSON"}, {"c", "AggregateFunction(sum, Int8)"}}
	var out bytes.Buffer
	h, err := Copy(&out, bufio.NewReader(bytes.NewReader(AppendHeader(nil, want))))
	if err != nil || len(h.Columns) != 3 || h.Columns[2] != want[2] || out.Len() > 0 {
		t.Errorf("header: got %+v, %v, %d bytes written", h, err, out.Len())
	}
}

// TestTypes: sizes follow the type's text.
func TestTypes(t *testing.T) {
	for name, want := range map[string]error{
		"Enum8('a)' = 1, 'b\\'(' = 2)":               nil,
		"SimpleAggregateFunction(sum, UInt64)":       nil,
		"Array(Tuple(a Map(String, Int8), b Point))": nil,
		"Variant(String, Array(UInt8))":              nil,
		"IntervalDay":                                nil,
		"DateTime64(3, 'UTC')":                       nil,
		"Tuple(`odd, name` Int8)":                    nil,
		"Dynamic":                                    ErrUnsupported,
		"AggregateFunction(sum, UInt64)":             ErrUnsupported,
		"Array(":                                     ErrMalformed,
		"Array()":                                    ErrUnsupported,
		"FixedString(0)":                             ErrMalformed,
		"Decimal(99, 1)":                             ErrMalformed,
		strings.Repeat("Array(", 50) + "Int8" + strings.Repeat(")", 50): ErrMalformed,
	} {
		if _, err := parseType(name); !errors.Is(err, want) {
			t.Errorf("%s: got %v\nwant %v", name, err, want)
		}
	}
}

// FuzzCopy: whatever comes, no panic and no memory beyond what came; a block that
// is accepted passes byte for byte.
func FuzzCopy(f *testing.F) {
	corpus.Add(f)
	f.Add(sample(f))
	f.Add([]byte{1, 1, 1, 'a', 6, 'S', 't', 'r', 'i', 'n', 'g', 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(append([]byte{1, 2, 1, 'a', 12}, "Array(UInt8)\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"...))
	f.Add(append([]byte{1, 3, 1, 'a', 15}, "Variant(String)\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\x00\x01a\x01b"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		in := bufio.NewReaderSize(r, 4096)
		var out bytes.Buffer
		h, err := Copy(&out, in)
		if err != nil || h.Rows == 0 {
			return
		}
		used := len(data) - r.Len() - in.Buffered()
		if out.Len() > used {
			t.Errorf("copied %d bytes out of %d", out.Len(), used)
		}
		again, err := Copy(io.Discard, bufio.NewReader(bytes.NewReader(out.Bytes())))
		if err != nil || again.Rows != h.Rows || len(again.Columns) != len(h.Columns) {
			t.Errorf("the copy reads as %+v, %v\nwant %+v", again, err, h)
		}
	})
}

// BenchmarkCopy is what an insert of 10,000 events costs the front, one core.
func BenchmarkCopy(b *testing.B) {
	var rows [][]any
	for i := range 10_000 {
		rows = append(rows, []any{uint64(i), strings.Repeat("u", 9), strings.Repeat("p", 1+i%2)})
	}
	data := block(b, []Column{{"id", "UInt64"}, {"user_id", "String"}, {"product_id", "LowCardinality(String)"}}, rows...)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	r := bytes.NewReader(data)
	in := bufio.NewReaderSize(r, 128<<10)
	for b.Loop() {
		r.Reset(data)
		in.Reset(r)
		if _, err := Copy(io.Discard, in); err != nil {
			b.Fatal(err)
		}
	}
}

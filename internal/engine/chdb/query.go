package chdb

import (
	"runtime"
	"time"
	"unsafe"
)

// Param is one value for a {name:Type} placeholder.
type Param struct{ Name, Value string }

// Stats counts what a statement did.
type Stats struct {
	ReadRows, ReadBytes       uint64
	WrittenRows, WrittenBytes uint64
	ResultRows, ResultBytes   uint64
	Elapsed                   time.Duration
}

// Result is one formatted answer in the library's memory.
type Result struct{ result uintptr }

// Bytes is valid until Free.
func (r *Result) Bytes() []byte {
	data, size := lib.resultBuffer(r.result), lib.resultLength(r.result)
	if data == 0 || size == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(foreign(data)), size)
}

// Stats returns the statement's counts.
func (r *Result) Stats() Stats {
	return Stats{
		ReadRows: lib.resultReadRows(r.result), ReadBytes: lib.resultReadBytes(r.result),
		WrittenRows: lib.resultWrittenRows(r.result), WrittenBytes: lib.resultWrittenBytes(r.result),
		ResultRows: lib.resultRows(r.result), ResultBytes: lib.resultBytes(r.result),
		Elapsed: time.Duration(lib.resultElapsed(r.result) * float64(time.Second)),
	}
}

// Free gives the memory back; a second call does nothing.
func (r *Result) Free() {
	if r.result != 0 {
		lib.resultDestroy(r.result)
		r.result = 0
	}
}

// Query runs one statement and holds its whole answer in memory. INSERT with data
// must go through Insert: here its data would end at the first blank line.
func (c *Conn) Query(sql, format string, params ...Param) (*Result, error) {
	return checked(c.start(lib.query, lib.queryParams, call{sql, format, params}))
}

// Exec runs a statement without an answer.
func (c *Conn) Exec(sql string) error {
	r, err := c.Query(sql, "Null")
	if err == nil {
		r.Free()
	}
	return err
}

// Text runs a statement and returns its answer.
func (c *Conn) Text(sql, format string) (string, error) {
	r, err := c.Query(sql, format)
	if err != nil {
		return "", err
	}
	defer r.Free()
	return string(r.Bytes()), nil
}

// Stream is the answer of a SELECT, block by block. Each chunk is a whole document
// of its format, so only formats without header and footer may be joined.
type Stream struct {
	conn   *Conn
	stream uintptr
	ended  bool
}

// Stream starts a SELECT.
func (c *Conn) Stream(sql, format string, params ...Param) (*Stream, error) {
	r, err := checked(c.start(lib.stream, lib.streamParams, call{sql, format, params}))
	if err != nil {
		return nil, err
	}
	return &Stream{conn: c, stream: r.result}, nil
}

// Next returns the next chunk, which the caller frees. The last one is empty; after
// it, and after an error, there is none.
func (s *Stream) Next() (*Result, error) {
	r, err := checked(lib.streamFetch(s.conn.conn, s.stream))
	s.ended = err != nil || lib.resultLength(r.result) == 0
	return r, err
}

// Close ends the SELECT, wherever it is.
func (s *Stream) Close() {
	if s.stream == 0 {
		return
	}
	if !s.ended {
		lib.streamCancel(s.conn.conn, s.stream)
	}
	lib.resultDestroy(s.stream)
	s.stream = 0
}

type call struct {
	sql, format string
	params      []Param
}

type (
	plainCall = func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr) uintptr
	paramCall = func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
)

// start makes the call that fits: the library has two for each, with and without
// parameters.
func (c *Conn) start(plain plainCall, withParams paramCall, q call) uintptr {
	sql, format := []byte(q.sql), []byte(q.format)
	defer runtime.KeepAlive(sql)
	defer runtime.KeepAlive(format)
	if len(q.params) == 0 {
		return plain(c.conn, first(sql), uintptr(len(sql)), first(format), uintptr(len(format)))
	}
	var names, values texts
	defer names.pins.Unpin()
	defer values.pins.Unpin()
	for _, p := range q.params {
		names.add(p.Name)
		values.add(p.Value)
	}
	return withParams(c.conn, first(sql), uintptr(len(sql)), first(format), uintptr(len(format)),
		unsafe.Pointer(&names.start[0]), unsafe.Pointer(&names.size[0]),
		unsafe.Pointer(&values.start[0]), unsafe.Pointer(&values.size[0]), uintptr(len(q.params)))
}

// texts is a C array of strings with their lengths.
type texts struct {
	pins  runtime.Pinner
	start []unsafe.Pointer
	size  []uintptr
}

func (t *texts) add(s string) {
	b := append([]byte(s), 0)
	t.pins.Pin(&b[0])
	t.start = append(t.start, unsafe.Pointer(&b[0]))
	t.size = append(t.size, uintptr(len(s)))
}

// checked turns a result that holds an error into that error.
func checked(result uintptr) (*Result, error) {
	if result == 0 {
		return nil, NewError(UnknownException, "UNKNOWN_EXCEPTION", "The engine gave no result")
	}
	if err := parseError(goString(lib.resultError(result))); err != nil {
		lib.resultDestroy(result)
		return nil, err
	}
	return &Result{result: result}, nil
}

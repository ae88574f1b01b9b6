package chdb

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

var (
	// ErrNotBuilt: this binary has no binding.
	ErrNotBuilt = errors.New("this binary was built without the engine (build tag noengine): " +
		"use one built by `make build`, or a ClickHouse server (CLICKHOUSE_ADDR=host:9000)")
	// ErrRefused: the engine did not accept a connection. Why, only its log says.
	ErrRefused = errors.New("connection refused")
)

var loading struct {
	once sync.Once
	err  error
}

// Engine is the process's one engine.
type Engine struct {
	args   []string
	keeper *Conn
}

// Open loads the library and starts the engine on the absolute path data (with a
// relative one the engine doubles it when it syncs a directory). args are
// "--name=value" settings of the engine. A failure to start is told in words only
// on stderr: the library returns nothing but a null pointer.
func Open(library, data string, args ...string) (*Engine, error) {
	loading.once.Do(func() { loading.err = load(library) })
	if loading.err != nil {
		return nil, loading.err
	}
	// Before the first connection: the library would take SIGSEGV from the Go
	// runtime, and a nil dereference would then hang the process for good.
	lib.setSignals(0)
	e := &Engine{args: append([]string{"clickhouse", "--path=" + data}, args...)}
	keeper, err := e.Connect()
	if err != nil {
		return nil, err
	}
	// Reopening after the last connection has closed leaks 5 MB each time and
	// corrupts the allocator on macOS, so one stays open for ever.
	e.keeper = keeper
	return e, nil
}

// Close ends the engine. Every other connection must be closed before: one that is
// still open makes the library crash when the process exits.
func (e *Engine) Close() { e.keeper.Close() }

// Connect opens one more connection, about 0.1 ms.
func (e *Engine) Connect() (*Conn, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	argv := make([]unsafe.Pointer, len(e.args)+1)
	for i, arg := range e.args {
		text := append([]byte(arg), 0)
		pins.Pin(&text[0])
		argv[i] = unsafe.Pointer(&text[0])
	}
	pins.Pin(&argv[0])
	handle := lib.connect(int32(len(e.args)), unsafe.Pointer(&argv[0]))
	if handle == 0 {
		return nil, fmt.Errorf("%s: %w", e.args[1], ErrRefused)
	}
	return &Conn{handle: handle, conn: *(*uintptr)(foreign(handle))}, nil
}

// Conn is a connection with its own settings, current database and temporary
// tables. It is not safe for concurrent use; its calls may come from any thread.
type Conn struct {
	handle uintptr // chdb_connection*
	conn   uintptr // chdb_connection
}

// Close frees the connection and drops its temporary tables.
func (c *Conn) Close() {
	if c.handle != 0 {
		lib.closeConn(c.handle)
		c.handle, c.conn = 0, 0
	}
}

// foreign turns an address that the library gave into a pointer. The memory is not
// Go's, so the garbage collector neither moves nor frees it; vet cannot know that,
// hence the detour over the address of the variable.
func foreign(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// first returns a pointer to b's bytes; the library wants one for empty text too.
func first(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return unsafe.Pointer(&nothing[0])
	}
	return unsafe.Pointer(&b[0])
}

var nothing [8]byte

// goString copies a C string.
func goString(address uintptr) string {
	if address == 0 {
		return ""
	}
	start, n := foreign(address), 0
	for *(*byte)(unsafe.Add(start, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(start), n))
}

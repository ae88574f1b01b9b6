package chdb

import (
	"runtime"
	"unsafe"
)

// Class is what a statement does, as chdb_query_class says.
type Class uint32

// What the engine's parser tells statements apart by. Control are those that act on the
// session or the server, and those that write outside of the tables, such as any
// statement with INTO OUTFILE; Unknown is also what does not parse.
const (
	ReadOnly Class = iota
	Mutating
	MutatingGlobal
	Control
	Unknown
)

// Analysis is what the engine's own parser makes of a text.
type Analysis struct {
	Class Class
	// Statements is how many the text holds, 0 if it does not parse. The parts of
	// PARALLEL WITH count.
	Statements int
}

// Classify parses a text as this connection would, without running it.
func (c *Conn) Classify(sql string) (Analysis, error) {
	text := []byte(sql)
	answer := struct{ size, statements, flags, class uint32 }{size: 16}
	status := lib.classify(c.conn, first(text), uintptr(len(text)), first(nil), 0, unsafe.Pointer(&answer))
	runtime.KeepAlive(text)
	if status != 0 {
		return Analysis{}, NewError(UnknownException, "UNKNOWN_EXCEPTION", "The engine did not look at the statement")
	}
	return Analysis{Class: Class(answer.class), Statements: int(answer.statements)}, nil
}

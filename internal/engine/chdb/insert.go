package chdb

import (
	"runtime"
	"unsafe"
)

// Insert is an INSERT that is fed with data as it comes. Until Done nothing of it
// is stored, as long as it holds at most one block (1,048,449 rows).
type Insert struct {
	insert uintptr
	failed error
}

// Insert starts "INSERT INTO t (a, b) [SETTINGS ..]", without FORMAT, for data in
// the given format.
func (c *Conn) Insert(sql, format string) (*Insert, error) {
	q, f := []byte(sql), []byte(format)
	handle := lib.insert(c.conn, first(q), uintptr(len(q)), first(f), uintptr(len(f)))
	runtime.KeepAlive(q)
	runtime.KeepAlive(f)
	if err := parseError(goString(lib.insertError(handle))); err != nil {
		lib.insertDestroy(handle)
		return nil, err
	}
	return &Insert{insert: handle}, nil
}

// Write adds data, which the library copies, and blocks while the engine is
// behind. After an error it adds no more; Done tells the error again.
func (i *Insert) Write(data []byte) (int, error) {
	if i.failed != nil {
		return 0, i.failed
	}
	if len(data) == 0 {
		return 0, nil
	}
	status := lib.insertAppend(i.insert, unsafe.Pointer(&data[0]), uintptr(len(data)))
	runtime.KeepAlive(data)
	if status == 0 {
		return len(data), nil
	}
	i.failed = parseError(goString(lib.insertError(i.insert)))
	if i.failed == nil {
		i.failed = NewError(UnknownException, "UNKNOWN_EXCEPTION", "The engine took no more data")
	}
	return 0, i.failed
}

// Done stores what was written and frees the insert.
func (i *Insert) Done() (Stats, error) {
	r, err := checked(lib.insertDone(i.insert))
	lib.insertDestroy(i.insert)
	i.insert = 0
	if err == nil {
		defer r.Free()
		err = i.failed
	}
	if err != nil {
		return Stats{}, err
	}
	return r.Stats(), nil
}

// Cancel drops what was written and frees the insert; after Done it does nothing.
func (i *Insert) Cancel() {
	if i.insert != 0 {
		lib.insertCancel(i.insert)
		lib.insertDestroy(i.insert)
		i.insert = 0
	}
}

package chdb

import "unsafe"

// lib holds the functions of chdb.h that the engine calls. Handles are uintptr:
// their memory is the library's, the garbage collector must not look at it.
// Lengths are size_t. chdb_connect returns a chdb_connection*, every other call
// takes the chdb_connection behind it.
var lib struct {
	connect    func(argc int32, argv unsafe.Pointer) uintptr
	closeConn  func(conn uintptr)
	setSignals func(enabled int32)

	classify func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, database unsafe.Pointer, databaseLen uintptr, answer unsafe.Pointer) int32

	query       func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr) uintptr
	queryParams func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
	stream       func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr) uintptr
	streamParams func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
	streamFetch  func(conn, stream uintptr) uintptr
	streamCancel func(conn, stream uintptr)

	insert        func(conn uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr) uintptr
	insertAppend  func(insert uintptr, data unsafe.Pointer, size uintptr) int32
	insertDone    func(insert uintptr) uintptr
	insertCancel  func(insert uintptr)
	insertError   func(insert uintptr) uintptr
	insertDestroy func(insert uintptr)

	resultDestroy      func(result uintptr)
	resultBuffer       func(result uintptr) uintptr
	resultLength       func(result uintptr) uintptr
	resultError        func(result uintptr) uintptr
	resultElapsed      func(result uintptr) float64
	resultRows         func(result uintptr) uint64
	resultBytes        func(result uintptr) uint64
	resultReadRows     func(result uintptr) uint64
	resultReadBytes    func(result uintptr) uint64
	resultWrittenRows  func(result uintptr) uint64
	resultWrittenBytes func(result uintptr) uint64
}

// symbols maps each function to its name in chdb.h.
func symbols() map[string]any {
	return map[string]any{
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_set_signal_handlers_enabled": &lib.setSignals,
		"chdb_classify_query_n":            &lib.classify,
		"chdb_query_n":                     &lib.query,
		"chdb_query_with_params_n":         &lib.queryParams,
		"chdb_stream_query_n":              &lib.stream,
		"chdb_stream_query_with_params_n":  &lib.streamParams,
		"chdb_stream_fetch_result":         &lib.streamFetch,
		"chdb_stream_cancel_query":         &lib.streamCancel,
		"chdb_stream_insert_n":             &lib.insert,
		"chdb_stream_append":               &lib.insertAppend,
		"chdb_stream_done":                 &lib.insertDone,
		"chdb_stream_cancel_insert":        &lib.insertCancel,
		"chdb_stream_insert_error":         &lib.insertError,
		"chdb_destroy_insert_stream":       &lib.insertDestroy,
		"chdb_destroy_query_result":        &lib.resultDestroy,
		"chdb_result_buffer":               &lib.resultBuffer,
		"chdb_result_length":               &lib.resultLength,
		"chdb_result_error":                &lib.resultError,
		"chdb_result_elapsed":              &lib.resultElapsed,
		"chdb_result_rows_read":            &lib.resultRows,
		"chdb_result_bytes_read":           &lib.resultBytes,
		"chdb_result_storage_rows_read":    &lib.resultReadRows,
		"chdb_result_storage_bytes_read":   &lib.resultReadBytes,
		"chdb_result_rows_written":         &lib.resultWrittenRows,
		"chdb_result_bytes_written":        &lib.resultWrittenBytes,
	}
}

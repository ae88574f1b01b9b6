// Package chdb binds libchdb, ClickHouse built as a library, without cgo.
//
// A process holds at most one engine, on one data path; connections to it are
// cheap (0.1 ms) and run one statement at a time each. Of a connection on which a
// statement failed nothing but Close may be asked: the library keeps the partial
// output and would put it before the next result.
//
// chdb_shutdown is not bound: once MergeTree tables were used it fails and leaves
// the library closed for good. A killed process loses nothing that was
// acknowledged, so an engine ends with its process.
package chdb

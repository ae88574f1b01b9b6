//go:build noengine

package chdb

import "errors"

// load fails: linking purego makes a binary depend on the system's C library, so
// the static builds that images use leave it out.
func load(string) error {
	return errors.New("this binary was built without the engine (build tag noengine): " +
		"use one built by `make build`, or a ClickHouse server (CLICKHOUSE_ADDR)")
}

// Package config holds what is settled outside the code: the tables in ClickHouse
// and the simulated shop.
package config

import (
	"embed"
	"io/fs"
)

//go:embed clickhouse/*.sql
var files embed.FS

// ClickHouse returns the folder clickhouse: the only DDL of this project.
// internal/schema says how its files are named and what is filled in.
func ClickHouse() fs.FS {
	dir, err := fs.Sub(files, "clickhouse")
	if err != nil {
		panic("config: " + err.Error()) // the folder is part of the binary
	}
	return dir
}

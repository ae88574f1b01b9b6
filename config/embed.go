// Package config holds what is settled outside the code: the tables in ClickHouse
// and the simulated shop.
package config

import (
	"bytes"
	"embed"
	"io/fs"
)

//go:embed clickhouse/*.sql
var files embed.FS

//go:embed scenario.yaml
var scenario []byte

// Scenario returns scenario.yaml: the shop that is simulated unless the input names
// another. docs/simulator.md describes its fields.
func Scenario() []byte { return bytes.Clone(scenario) }

// ClickHouse returns the folder clickhouse: the only DDL of this project.
// internal/schema says how its files are named and what is filled in.
func ClickHouse() fs.FS {
	dir, err := fs.Sub(files, "clickhouse")
	if err != nil {
		panic("config: " + err.Error()) // the folder is part of the binary
	}
	return dir
}

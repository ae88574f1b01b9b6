// Package grafana holds the dashboards, for Grafana and for the page without it.
package grafana

import (
	"embed"
	"io/fs"
)

//go:embed dashboards/*.json
var files embed.FS

// Dashboards returns the folder dashboards: one file per dashboard, in Grafana's
// JSON of schema version 41.
func Dashboards() fs.FS {
	dir, err := fs.Sub(files, "dashboards")
	if err != nil {
		panic("grafana: " + err.Error()) // the folder is part of the binary
	}
	return dir
}

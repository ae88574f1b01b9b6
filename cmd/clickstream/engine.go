package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"clickstream/internal/engine"
	"clickstream/internal/engine/library"
)

// engineCommand serves ClickHouse on this machine, or fetches the library for it.
func engineCommand() *cli.Command {
	return &cli.Command{
		Name:  "engine",
		Usage: "Serve ClickHouse on this machine (HTTP and native protocol, loopback only)",
		Description: "CLICKHOUSE_USER and CLICKHOUSE_PASSWORD (or .._FILE), if set, are what clients must give;\n" +
			"otherwise the user is default, without a password.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data", Value: "./data/engine", Usage: "folder of the tables"},
			&cli.StringFlag{Name: "native", Value: "127.0.0.1:9000", Usage: "address of the native protocol"},
			&cli.StringFlag{Name: "http", Value: "127.0.0.1:8123", Usage: "address of the HTTP protocol"},
			&cli.StringFlag{Name: "library", Usage: "path of libchdb instead of the fetched one (also " + library.Env + ")"},
			&cli.Int64Flag{Name: "memory", Value: engine.DefaultMemory, Usage: "bytes the engine may use"},
			&cli.BoolFlag{Name: "fetch", Usage: "fetch the library into the cache and stop"},
		},
		Action: runEngine,
	}
}

func runEngine(c *cli.Context) error {
	if err := flagsOnly(c); err != nil {
		return err
	}
	if c.Bool("fetch") {
		return fetchEngine(c)
	}
	user, password, err := engine.Credentials()
	if err != nil {
		return err
	}
	return engine.Serve(c.Context, engine.Config{
		Data: c.String("data"), Native: c.String("native"), HTTP: c.String("http"),
		Library: c.String("library"), MemoryBytes: c.Int64("memory"),
		User: user, Password: password,
	}, os.Stdout, os.Stderr)
}

func fetchEngine(c *cli.Context) error {
	l, err := library.Default()
	if err != nil {
		return err
	}
	path, err := l.Fetch(c.Context, os.Stderr)
	if err == nil {
		fmt.Println(path)
	}
	return err
}

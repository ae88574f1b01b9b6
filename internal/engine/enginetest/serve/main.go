// Command serve is the engine that tests start: a program of its own, so that the
// test binary does not load the library (which the race detector could not bear)
// and a test can kill it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"clickstream/internal/engine"
)

func main() {
	var c engine.Config
	flag.StringVar(&c.Data, "data", "", "folder of the tables")
	flag.StringVar(&c.Native, "native", "127.0.0.1:0", "native address")
	flag.StringVar(&c.HTTP, "http", "127.0.0.1:0", "HTTP address")
	flag.Int64Var(&c.MemoryBytes, "memory", 0, "bytes the engine may use")
	flag.DurationVar(&c.Grace, "grace", 0, "how long a stop waits for statements")
	remove := flag.Bool("remove", false, "empty the folder at the end")
	flag.Parse()
	err := run(c)
	if *remove {
		empty(c.Data)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// empty removes what is in a folder; the folder itself lies outside of the fence. A
// leftover in the temporary folder harms nobody.
func empty(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		_ = os.RemoveAll(filepath.Join(folder, e.Name()))
	}
}

func run(c engine.Config) (err error) {
	if c.User, c.Password, err = engine.Credentials(); err != nil {
		return err
	}
	return engine.Serve(context.Background(), c, os.Stdout, os.Stderr)
}

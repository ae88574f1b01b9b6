// Command measure looks at a running pipeline from outside and prints what a user
// would see: how fresh the rows are, how fast a backlog drains, what it all costs.
// docs/benchmarks.md quotes it; `make` has a target for each.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

const usage = `usage: measure freshness|drain|footprint [flags]
  freshness  event made -> row visible to a reader that polls for event ids
  drain      rows a second from the consumer's start until a backlog is stored
  footprint  CPU and memory of a process and all its children
Each has --help.
`

// measurement parses its flags and prints its result to out.
type measurement func(ctx context.Context, args []string, out io.Writer) error

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 measured, 1 could not, 2 usage.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	all := map[string]measurement{"freshness": freshness, "drain": drain, "footprint": footprint}
	if len(args) == 0 || all[args[0]] == nil {
		fmt.Fprint(errs, usage)
		return 2
	}
	err := all[args[0]](ctx, args[1:], out)
	var bad *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &bad):
		fmt.Fprintf(errs, "measure %s: %v\n", args[0], err)
		return 2
	}
	fmt.Fprintf(errs, "measure %s: %v\n", args[0], err)
	return 1
}

// usageError is a wrong command line.
type usageError struct{ error }

func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return &usageError{err}
	}
	return err
}

// server is where the rows are. The password comes from CLICKHOUSE_PASSWORD only.
type server struct{ address, database, user string }

func (s *server) flags(f *flag.FlagSet) {
	f.StringVar(&s.address, "clickhouse", env("CLICKHOUSE_ADDR", "127.0.0.1:9000"), "`host:port` of ClickHouse, native protocol")
	f.StringVar(&s.database, "database", env("CLICKHOUSE_DATABASE", "clickstream"), "`name` of the database")
	f.StringVar(&s.user, "user", env("CLICKHOUSE_USER", "default"), "`name` to log in with")
}

func (s *server) open() (driver.Conn, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: strings.Split(s.address, ","),
		Auth: clickhouse.Auth{Database: s.database, Username: s.user, Password: os.Getenv("CLICKHOUSE_PASSWORD")},
	})
	if err != nil {
		return nil, fmt.Errorf("clickhouse %s: %w", s.address, err)
	}
	return conn, nil
}

func env(name, def string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return def
}

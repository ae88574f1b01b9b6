package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"clickstream/internal/process"
)

// Serve runs the engine as a process does: until SIGINT, SIGTERM, or the end of
// the process that started it. When both fronts answer it prints one line to out:
//
//	engine ready: native 127.0.0.1:9000, http 127.0.0.1:8123
//
// The process is shut in first: see enclose. What the kernel cannot do for it is told
// to warn, one line.
func Serve(ctx context.Context, c Config, out, warn io.Writer) error {
	if err := enclose(&c, warn); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // as ClickHouse's server: of a pipe in one of its threads it would die
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	process.OnParentDeath(stop)
	return Run(ctx, c, func(a Addresses) {
		fmt.Fprintf(out, readyLine, a.Native, a.HTTP)
	})
}

const readyLine = "engine ready: native %s, http %s\n"

// ParseReady reads the line that Serve prints; false if it is another one.
func ParseReady(line string) (a Addresses, ok bool) {
	line = strings.TrimSuffix(line, "\n")
	rest, found := strings.CutPrefix(line, "engine ready: native ")
	if !found {
		return Addresses{}, false
	}
	a.Native, a.HTTP, ok = strings.Cut(rest, ", http ")
	return a, ok
}

// Credentials reads CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, each of which may
// instead name a file with _FILE behind its name (for secrets that are mounted).
// Without them the user is `default` without a password.
func Credentials() (user, password string, err error) {
	if user, err = fromEnv("CLICKHOUSE_USER"); err != nil {
		return "", "", err
	}
	password, err = fromEnv("CLICKHOUSE_PASSWORD")
	return user, password, err
}

func fromEnv(name string) (string, error) {
	path := os.Getenv(name + "_FILE")
	value := os.Getenv(name)
	switch {
	case path == "":
		return value, nil
	case value != "":
		return "", errors.New(name + " and " + name + "_FILE: want one of them, got both")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

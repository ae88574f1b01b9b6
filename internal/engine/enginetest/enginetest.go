// Package enginetest gives tests a real ClickHouse engine: a child process that
// serves HTTP and the native protocol and dies with the test process, however
// that ends. Without the library a test fails and says how to get it.
package enginetest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Server is a running engine: its addresses, and who may connect.
type Server struct {
	Native, HTTP   string
	User, Password string
}

var shared struct {
	once  sync.Once
	child *child
	err   error
}

// Start returns the engine that all tests of a test binary share; the first call
// starts it (0.3 s). Tests keep apart by databases of their own: see Database.
func Start(t testing.TB) Server {
	t.Helper()
	shared.once.Do(func() {
		dir, err := dataFolder()
		if err != nil {
			shared.err = err
			return
		}
		shared.child, shared.err = launch(dir, "-remove", nil)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return Server{Native: shared.child.addresses.Native, HTTP: shared.child.addresses.HTTP, User: "default"}
}

// dataFolder makes the folder of the shared engine, which empties it at its end. The
// folder itself lies outside of the engine's fence; those of earlier tests go here.
func dataFolder() (string, error) {
	dir := filepath.Join(ownFolder(), "engines")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	old, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range old {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(path) // only an empty one goes
		}
	}
	return os.MkdirTemp(dir, "")
}

var databases atomic.Uint64

// Database makes an empty database, drops it when the test ends and returns its
// name.
func (s Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))
	conn := s.Conn(t, "")
	if err := conn.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.drop(name) }) // the engine may be dead by then, and its folder goes with it
	return name
}

func (s Server) drop(database string) error {
	conn, err := clickhouse.Open(s.Options(""))
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+database+" SYNC")
}

// Options returns what clickhouse-go connects to a database over the native
// protocol with; "" is the default one. Change it before Open for other protocols.
func (s Server) Options(database string) *clickhouse.Options {
	return &clickhouse.Options{
		Addr: []string{s.Native},
		Auth: clickhouse.Auth{Database: database, Username: s.User, Password: s.Password},
	}
}

// Conn opens a connection over the native protocol and closes it when the test
// ends.
func (s Server) Conn(t testing.TB, database string) driver.Conn {
	t.Helper()
	return Open(t, s.Options(database))
}

// Open opens a connection with options of the test's own and closes it when the
// test ends.
func Open(t testing.TB, options *clickhouse.Options) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Query runs SQL over HTTP, as curl would, and returns the answer without the last
// line end. Any failure fails the test.
func (s Server) Query(t testing.TB, database, sql string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://"+s.HTTP+"/?database="+database, strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(s.User, s.Password)
	status, body := do(t, request)
	if status != http.StatusOK {
		t.Fatalf("%s\n got %d %s\nwant 200", sql, status, body)
	}
	return strings.TrimSuffix(body, "\n")
}

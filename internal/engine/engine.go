// Package engine serves ClickHouse on one machine: the real engine as a library,
// behind its own HTTP and native fronts, on loopback addresses, in this process.
// Clients cannot tell it from a server; what it leaves out is in docs/design.md.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/fence"
	"clickstream/internal/engine/front"
	"clickstream/internal/engine/library"
	"clickstream/internal/process"
)

// Config says where the engine lives and what it may use.
type Config struct {
	// Data is the folder of tables, parts and logs; it is made if absent.
	Data string
	// Native and HTTP are loopback addresses; port 0 takes a free one.
	Native, HTTP string
	// Library is the path of libchdb, "" for the one library.Find finds.
	Library string
	// User and Password are what clients must give.
	User, Password string
	// MemoryBytes bounds what the engine may use; 0 is DefaultMemory. A statement
	// that needs more fails with code 241.
	MemoryBytes int64
	// fence is what the kernel keeps this process from.
	fence fence.State
	// Grace is how long a stop waits for statements that run; 0 is DefaultGrace.
	Grace time.Duration
}

const (
	// DefaultGrace is well below the 10 s after which Docker kills.
	DefaultGrace = 5 * time.Second
	// DefaultMemory leaves room for four inserts of 1,000,000 rows side by side.
	DefaultMemory = 2 << 30
)

// Addresses are where a running engine is reached.
type Addresses struct{ Native, HTTP string }

// Run serves until ctx ends, then waits for the statements that run, for as long
// as the grace, kills the rest and closes. It calls ready once both fronts accept
// connections. The working directory becomes an empty folder in Data: the engine
// shows the files of the working directory as tables of the database `default`.
//
// A process can run one engine, once.
func Run(ctx context.Context, c Config, ready func(Addresses)) error {
	if !chdb.Built {
		return chdb.ErrNotBuilt
	}
	lib, err := library.Find(c.Library)
	if err != nil {
		return err
	}
	native, err := listen("native", c.Native)
	if err != nil {
		return err
	}
	defer native.Close()
	http, err := listen("http", c.HTTP)
	if err != nil {
		return err
	}
	defer http.Close()
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	unlock, err := process.LockDir(data)
	if err != nil {
		return err
	}
	defer unlock() //nolint:errcheck // the kernel does so anyway, in a moment
	db, err := open(lib, data, c)
	if err != nil {
		return err
	}
	backend, err := front.NewBackend(db, front.Login{User: c.user(), Password: c.Password}, c.fence.Files)
	if err != nil {
		db.Close()
		return fmt.Errorf("engine: %w", err)
	}
	s := &servers{backend: backend, native: front.NewNative(backend), http: front.NewHTTP(backend)}
	s.serve(native, http)
	ready(Addresses{Native: native.Addr().String(), HTTP: http.Addr().String()})
	<-ctx.Done()
	s.stop(c.grace())
	db.Close()
	return nil
}

func (c Config) user() string {
	if c.User == "" {
		return "default"
	}
	return c.User
}

func (c Config) grace() time.Duration {
	if c.Grace == 0 {
		return DefaultGrace
	}
	return c.Grace
}

// open starts the engine in data.
func open(lib, data string, c Config) (*chdb.Engine, error) {
	files, err := writeConfig(data, c)
	if err != nil {
		return nil, fmt.Errorf("engine configuration: %w", err)
	}
	if err := os.Chdir(files.empty); err != nil {
		return nil, fmt.Errorf("engine working directory: %w", err)
	}
	logged := fileSize(files.log)
	db, err := chdb.Open(lib, filepath.Join(data, "clickhouse"), "--config-file="+files.server,
		"--log-level=error", "--implicit_select=0")
	if errors.Is(err, chdb.ErrRefused) {
		return nil, fmt.Errorf("engine start: %w%s", err, reason(files.log, logged))
	}
	if err != nil {
		return nil, fmt.Errorf("engine %w", err)
	}
	return db, nil
}

// servers are both fronts.
type servers struct {
	backend *front.Backend
	native  *front.Native
	http    *front.HTTP
	close   []net.Listener
}

func (s *servers) serve(native, http net.Listener) {
	s.close = []net.Listener{native, http}
	go s.native.Serve(native)
	go s.http.Serve(http)
}

// stop lets statements end for the grace, then kills those that are left. No
// connection may be open when the process ends: the library would crash.
func (s *servers) stop(grace time.Duration) {
	for _, l := range s.close {
		_ = l.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	drained := make(chan struct{}, 2)
	for _, drain := range []func(context.Context){s.native.Drain, s.http.Drain} {
		go func() {
			drain(ctx)
			drained <- struct{}{}
		}()
	}
	<-drained
	<-drained
	if ctx.Err() != nil {
		s.backend.Kill()
	}
	s.native.Close()
	s.http.Close()
}

// listen opens the address of the front called name.
func listen(name, address string) (net.Listener, error) {
	l, err := front.Listen(address)
	if err == nil {
		return l, nil
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return nil, fmt.Errorf("%s address %s is in use by %s: stop it, or choose another with --%s", name, address, process.PortHolder(address), name)
}

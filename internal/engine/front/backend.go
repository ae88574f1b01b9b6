// Package front puts ClickHouse's two protocols, HTTP and native TCP, before the
// engine in this process, so that clients, clickhouse-go and curl among them, speak
// to it as to a server.
package front

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/wire"
)

// Backend is the engine as both fronts see it.
type Backend struct {
	engine *chdb.Engine
	user   string
	secret string
	fenced bool
	slots  queue // statements in the engine
	rows   queue // INSERTs whose rows are on their way
	// reading are requests that are not read yet.
	reading queue
	ids     atomic.Uint64
	open    inserts
	// keeping counts the sessions that are kept between statements.
	keeping atomic.Int64

	// version, name and zone are what a client is told in the handshake.
	version, name, zone string
}

// Login is the one user that a front lets in.
type Login struct{ User, Password string }

// NewBackend asks the engine what clients will want to know of it.
// Fenced says that the process reaches no file outside of its data folder.
func NewBackend(engine *chdb.Engine, login Login, fenced bool) (*Backend, error) {
	b := &Backend{engine: engine, fenced: fenced, user: login.User, secret: login.Password,
		slots: make(queue, slots), rows: make(queue, mostInserts), reading: make(queue, mostReading)}
	c, err := engine.Connect()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	text, err := c.Text("SELECT version(), hostName(), timezone()", "TSV")
	if err != nil {
		return nil, fmt.Errorf("engine version: %w", err)
	}
	fields := strings.Split(strings.TrimSuffix(text, "\n"), "\t")
	if len(fields) != 3 {
		return nil, fmt.Errorf("engine version: want 3 fields, got %q", text)
	}
	b.version, b.name, b.zone = fields[0], fields[1], fields[2]
	return b, nil
}

// Version returns the engine's version.
func (b *Backend) Version() string { return b.version }

// Kill ends every statement that runs. It does not wait.
func (b *Backend) Kill() { b.kill("1") }

// killID ends the statement with the given id, as tagged by session.
func (b *Backend) killID(id string) { b.kill("Settings['log_comment'] = " + quote(id)) }

// kill asks from a connection of its own. ASYNC: a statement that waits for its
// client's data would hold a SYNC kill until the client moves.
func (b *Backend) kill(where string) {
	c, err := b.engine.Connect()
	if err != nil {
		return // the engine is going down, and the statement with it
	}
	defer c.Close()
	_ = c.Exec("KILL QUERY WHERE " + where + " ASYNC") // no such statement: it has ended
}

// authenticate compares in constant time; the answer does not say which of the
// two was wrong, as the server's does not.
func (b *Backend) authenticate(user, password string) error {
	if user == "" {
		user = "default"
	}
	name := subtle.ConstantTimeCompare([]byte(user), []byte(b.user))
	secret := subtle.ConstantTimeCompare([]byte(password), []byte(b.secret))
	if name&secret == 1 {
		return nil
	}
	return chdb.NewError(516, "AUTHENTICATION_FAILED",
		user+": Authentication failed: password is incorrect, or there is no user with such name")
}

// newID names a statement whose client gave it no id.
func (b *Backend) newID() string { return "clickstream-" + strconv.FormatUint(b.ids.Add(1), 10) }

// exception turns any error into one with a code and a text for clients.
func exception(err error) *chdb.Error {
	var e *chdb.Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, wire.ErrUnsupported) {
		return chdb.NewError(48, "NOT_IMPLEMENTED", err.Error())
	}
	return chdb.NewError(chdb.UnknownException, "UNKNOWN_EXCEPTION", err.Error())
}

// Listen opens a TCP listener on address, which must be a loopback one: the engine
// has no TLS, and whoever reaches it may read and drop every table.
func Listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want host:port such as 127.0.0.1:9000", address)
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("listen on %q: want a loopback address such as 127.0.0.1: the embedded engine serves this machine only; "+
			"for others run a ClickHouse server and set CLICKHOUSE_ADDR", address)
	}
	return net.Listen("tcp", address)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

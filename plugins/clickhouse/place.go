package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// place is a server, whatever name or balancer leads to it: exactly once rests on one. id
// survives its restarts; host is for people.
type place struct{ id, host string }

func (p place) String() string { return p.host + " (" + p.id + ")" }

// placeSQL is what a server calls itself: its own uuid, or that of the database where it
// has none, as the embedded engine.
func (c *config) placeSQL() string {
	name := "currentDatabase()"
	if c.database != "" {
		name = quoteText(c.database)
	}
	return "if(serverUUID() != toUUID('00000000-0000-0000-0000-000000000000'), toString(serverUUID()), " +
		"concat('database ', toString((SELECT any(uuid) FROM system.databases WHERE name = " + name + "))))"
}

func (c *config) ask(ctx context.Context, conn api.Conn) (p place, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	err = conn.QueryRow(ctx, "SELECT "+c.placeSQL()+", hostName()").Scan(&p.id, &p.host)
	return p, err
}

var errAstray = errors.New("exactly_once wants one, which has the table and its fence: use an address that leads to one server")

// settle notes at the start which server this is, and looks whether the address leads to
// others too; later it looks whether this is still the one.
func (f *fenced) settle(ctx context.Context) error {
	here, err := f.config.ask(ctx, f.conn)
	if err != nil {
		return err
	}
	if f.place.id != "" {
		return f.stayed(here.id)
	}
	for _, there := range f.config.others(ctx) {
		if there.id != here.id {
			return schemaError{fmt.Errorf("%s leads to more than one server, %s and %s: %w", f.config.addresses[0], here, there, errAstray)}
		}
	}
	f.place = here
	return nil
}

// stayed says that an answer came from the server of the start.
func (f *fenced) stayed(id string) error {
	if id == f.place.id {
		return nil
	}
	return f.astray(id)
}

// astray gives the connections up: the next ones may lead back.
func (f *fenced) astray(id string) error {
	if conn, err := driver.Open(f.config.options()); err == nil {
		_ = f.conn.Close() // nothing runs on it
		f.conn = conn
	}
	return fmt.Errorf("%s leads to %s by now, and led to %s at the start: %w; if the table has moved there, restart this process", f.config.addresses[0], id, f.place, errAstray)
}

// connections are how many more the start opens: a balancer that takes turns hands them to
// others, of which there may be several.
const connections = 3

// others asks whoever else answers: at each address that the name stands for, and once more
// at the name for each of some connections. Who does not answer is none.
func (c *config) others(ctx context.Context) (found []place) {
	addresses := slices.Repeat(c.addresses[:1], connections)
	host, port, err := net.SplitHostPort(c.addresses[0])
	if err == nil && net.ParseIP(host) == nil {
		if all, err := net.DefaultResolver.LookupHost(ctx, host); err == nil && len(all) > 1 {
			for _, ip := range all {
				addresses = append(addresses, net.JoinHostPort(ip, port))
			}
		}
	}
	// All at once, and none closes before the last has answered: a balancer may send a client
	// that comes back to where it was.
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, address := range addresses {
		conn, err := driver.Open(c.at(address, host))
		if err != nil {
			continue
		}
		defer func() { _ = conn.Close() }()
		asking.Go(func() {
			if p, err := c.ask(ctx, conn); err == nil {
				mu.Lock()
				defer mu.Unlock()
				found = append(found, p)
			}
		})
	}
	asking.Wait()
	return found
}

// at are the driver's options for one address of a name.
func (c *config) at(address, host string) *driver.Options {
	o := c.options()
	o.Addr, o.MaxOpenConns = []string{address}, 1
	if o.TLS != nil && o.TLS.ServerName == "" {
		o.TLS = o.TLS.Clone()
		o.TLS.ServerName = host
	}
	return o
}

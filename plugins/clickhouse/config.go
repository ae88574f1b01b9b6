package clickhouse

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/connect"
)

// config is the parsed YAML; every value is in range.
type config struct {
	addresses     []string
	http          bool
	database      string
	table         string
	username      string
	password      string
	tls           *tls.Config // nil: plain TCP
	compression   driver.CompressionMethod
	columns       map[string]string // JSON field or @source -> column
	coordinates   bool
	exactlyOnce   bool
	limits        map[string]texts
	maxRows       int
	maxBytes      int
	flushInterval time.Duration
	insertTimeout time.Duration
	maxInFlight   int
	metricsTable  string // "": the process keeps no record of itself
}

// target is the table, for people.
func (c *config) target() string {
	if c.database == "" {
		return c.table
	}
	return c.database + "." + c.table
}

func (c *config) quotedTable() string { return c.quoted(c.table) }

func (c *config) quotedMetrics() string { return c.quoted(c.metricsTable) }

// quotedFence is the table that says who owns each partition.
func (c *config) quotedFence() string { return c.quoted(c.fence()) }

// quoted is a table of the configured database.
func (c *config) quoted(table string) string {
	if c.database == "" {
		return quote(table)
	}
	return quote(c.database) + "." + quote(table)
}

// fenceTarget is the fence, for people.
func (c *config) fenceTarget() string { return c.target() + "_fence" }

func (c *config) fence() string { return c.table + "_fence" }

// healthName is what /ready calls this output.
func (c *config) healthName() string {
	return "clickhouse " + strings.Join(c.addresses, ",") + "/" + c.target()
}

// options are the driver's: two connections at most, one for the insert and one
// spare for what is asked beside it.
func (c *config) options() *driver.Options {
	o := &driver.Options{
		Addr:         c.addresses,
		Auth:         driver.Auth{Database: c.database, Username: c.username, Password: c.password},
		TLS:          c.tls,
		DialTimeout:  min(5*time.Second, c.insertTimeout),
		MaxOpenConns: 2,
		MaxIdleConns: 1,
		// The driver's default, 10 MiB, would keep three times that in memory.
		MaxCompressionBuffer: 1 << 20,
		ClientInfo: driver.ClientInfo{Products: []struct{ Name, Version string }{
			{Name: "clickstream", Version: version},
		}},
	}
	if c.http {
		o.Protocol = driver.HTTP
	}
	if c.compression != driver.CompressionNone {
		o.Compression = &driver.Compression{Method: c.compression, Level: 1}
	}
	return o
}

// parse returns a config whose every value is in range, or an error that names the
// field.
func parse(pc *service.ParsedConfig) (*config, error) {
	c := &config{}
	for _, step := range []func(*service.ParsedConfig) error{c.parseServer, c.parseTable, c.parseLimits, c.parseBlocks} {
		if err := step(pc); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *config) parseServer(pc *service.ParsedConfig) error {
	addresses, err := pc.FieldStringList("addresses")
	if err != nil {
		return err
	}
	if c.addresses, err = connect.Addresses(addresses...); err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	protocol, err := pc.FieldString("protocol")
	if err != nil {
		return err
	}
	c.http = protocol == "http"
	if err := c.parseLogin(pc); err != nil {
		return err
	}
	name, err := pc.FieldString("compression")
	if err != nil {
		return err
	}
	c.compression = compressions[name]
	return nil
}

var compressions = map[string]driver.CompressionMethod{
	"lz4": driver.CompressionLZ4, "zstd": driver.CompressionZSTD, "none": driver.CompressionNone,
}

func (c *config) parseLogin(pc *service.ParsedConfig) (err error) {
	if c.username, err = pc.FieldString("username"); err != nil {
		return err
	}
	if c.password, err = pc.FieldString("password"); err != nil {
		return err
	}
	settings, on, err := pc.FieldTLSToggled("tls")
	if on {
		c.tls = settings
	}
	return err
}

func (c *config) parseTable(pc *service.ParsedConfig) (err error) {
	if c.database, err = pc.FieldString("database"); err != nil {
		return err
	}
	if c.table, err = pc.FieldString("table"); err != nil {
		return err
	}
	if c.table == "" {
		return fmt.Errorf("table: want a name")
	}
	if c.metricsTable, err = pc.FieldString("metrics_table"); err != nil {
		return err
	}
	if c.coordinates, err = pc.FieldBool("coordinates"); err != nil {
		return err
	}
	if c.exactlyOnce, err = pc.FieldBool("exactly_once"); err != nil {
		return err
	}
	if c.exactlyOnce && len(c.addresses) > 1 {
		return fmt.Errorf("exactly_once: want one address, got %d: a table and its fence are on one server", len(c.addresses))
	}
	c.coordinates = c.coordinates || c.exactlyOnce
	if c.columns, err = pc.FieldStringMap("columns"); err != nil {
		return err
	}
	owner := map[string]string{}
	for field, column := range c.columns {
		if _, ok := sources[field]; strings.HasPrefix(field, "@") && (!ok || field == ownerSource) {
			return fmt.Errorf("columns: no source %q (want one of @reason, @field, @message, @value, @key, @topic, @time, @stream, @partition, @offset)", field)
		}
		if other, twice := owner[column]; twice {
			return fmt.Errorf("columns: fields %q and %q both fill column %q", min(field, other), max(field, other), column)
		}
		owner[column] = field
	}
	return nil
}

func (c *config) parseBlocks(pc *service.ParsedConfig) (err error) {
	for _, f := range []struct {
		name     string
		into     *int
		min, max int
	}{
		{"max_rows", &c.maxRows, 1, 1_000_000},
		{"max_bytes", &c.maxBytes, 1 << 10, 1 << 29},
		{"max_in_flight", &c.maxInFlight, 1, 1 << 20},
	} {
		if !pc.Contains(f.name) {
			continue
		}
		if *f.into, err = pc.FieldInt(f.name); err != nil {
			return err
		}
		if *f.into < f.min || *f.into > f.max {
			return fmt.Errorf("%s: want %d to %d, got %d", f.name, f.min, f.max, *f.into)
		}
	}
	if c.flushInterval, err = positive(pc, "flush_interval"); err != nil {
		return err
	}
	if !pc.Contains("max_in_flight") {
		c.maxInFlight = inFlightFor(c.flushInterval)
	}
	if !pc.Contains("insert_timeout") {
		c.insertTimeout = insertTimeout
		if c.exactlyOnce {
			c.insertTimeout = onceTimeout
		}
		return nil
	}
	c.insertTimeout, err = positive(pc, "insert_timeout")
	if err == nil && c.exactlyOnce && c.insertTimeout > longestOnce {
		err = fmt.Errorf("insert_timeout: want at most %v with exactly_once, got %v", longestOnce, c.insertTimeout)
	}
	return err
}

// A trickle comes as many small batches: the Kafka input makes up to 20 a second of each
// partition. As many as come while a block fills may wait for it, so that it is sent
// when it is full or due, and not because nobody is left who could add to it.
const (
	batchesPerSecond            = 512
	leastInFlight, mostInFlight = 256, 8192 // one takes some 3 KiB while it does nothing
)

func inFlightFor(interval time.Duration) int {
	return min(mostInFlight, max(leastInFlight, int(interval.Seconds()*batchesPerSecond)))
}

// An insert that may be exactly once ends before the group can have given its
// partition away: within a third of the session timeout, which is 9 s with our input
// and 45 s with Kafka's own default.
const (
	insertTimeout = 10 * time.Second
	onceTimeout   = 2800 * time.Millisecond
	longestOnce   = 15 * time.Second
)

func positive(pc *service.ParsedConfig, name string) (time.Duration, error) {
	d, err := pc.FieldDuration(name)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%s: want more than 0, got %v", name, d)
	}
	return d, err
}

package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Patience is how long to ask a server that does not answer yet.
type Patience struct {
	Until time.Time
	// Say takes a line of text for people, once a server is waited for.
	Say func(string)
}

// Open connects as `clickstream init` does and returns once a broker has answered. An
// error of type ConfigError means that none was asked. more goes on top of the settings.
func (k Kafka) Open(ctx context.Context, p Patience, more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := k.options()
	if err != nil {
		return nil, &ConfigError{err}
	}
	return openKafka(ctx, append(opts, more...), k.Brokers, waiter{p.Until, p.Say})
}

// Open connects as `clickstream init` does and returns once the server has answered.
// An error of type ConfigError means that it was not asked.
func (c ClickHouse) Open(ctx context.Context, p Patience) (driver.Conn, error) {
	o, err := c.options()
	if err != nil {
		return nil, &ConfigError{err}
	}
	return openClickHouse(ctx, o, waiter{p.Until, p.Say})
}

// CheckTopic refuses a name that Kafka does not take.
func CheckTopic(name string) error {
	if !topicName.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("want 1 to 249 of the characters a-z A-Z 0-9 . _ -, got %q", name)
	}
	return nil
}

// CheckDatabase refuses a name that Apply would refuse.
func CheckDatabase(name string) error { return checkDatabase(name) }

// Quote returns a name as SQL takes it, whatever is in it.
func Quote(name string) string { return quote(name) }

// StoredFor reads how long rows of a table stay. For a TTL that is not of our making
// known is false.
func StoredFor(ctx context.Context, conn driver.Conn, database, table string) (r Retention, known bool, err error) {
	var engine string
	err = conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", database, table).Scan(&engine)
	if err != nil {
		return 0, false, err
	}
	r, _, known = retentionOf(engine)
	return r, known, nil
}

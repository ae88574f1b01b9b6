package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// readLimit bounds one look at a server: a demo whose database hangs must still
// tell so and obey Ctrl-C.
const readLimit = 5 * time.Second

// consumerGroup is the group of pipelines/consume.yaml.
const consumerGroup = "clickstream-consumer"

// topicReader reads offsets: what was produced, and how far the consumer is.
type topicReader struct {
	client *kgo.Client
	admin  *kadm.Client
	topic  string
}

func newTopicReader(brokers, topic string) (*topicReader, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(list(brokers)...), kgo.RequestRetries(2))
	if err != nil {
		return nil, fmt.Errorf("kafka %s: %w", brokers, err)
	}
	return &topicReader{client: client, admin: kadm.NewClient(client), topic: topic}, nil
}

// list takes an address list of one environment variable apart.
func list(addresses string) []string {
	var out []string
	for _, a := range strings.Split(addresses, ",") {
		if a = strings.TrimSpace(a); a != "" {
			out = append(out, a)
		}
	}
	return out
}

// position is a topic at one moment, summed over its partitions.
type position struct {
	end       int64 // offsets after the last record
	confirmed int64 // offsets that the group has committed; a start where it has none
}

func (p position) lag() int64 { return max(0, p.end-p.confirmed) }

// position asks the broker; two requests, whatever the topic holds.
func (r *topicReader) position(ctx context.Context) (position, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	ends, err := r.admin.ListEndOffsets(ctx, r.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return position{}, fmt.Errorf("topic %s: %w", r.topic, err)
	}
	commits, err := r.admin.FetchOffsets(ctx, consumerGroup)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // that is a group which has committed nothing
		return position{}, fmt.Errorf("group %s: %w", consumerGroup, err)
	}
	var p position
	var fresh bool // some partition has no commit yet
	ends.Each(func(o kadm.ListedOffset) {
		p.end += o.Offset
		c, ok := commits.Lookup(o.Topic, o.Partition)
		if ok && c.At >= 0 {
			p.confirmed += c.At
			return
		}
		fresh = true
	})
	if fresh {
		err = r.addStarts(ctx, commits, &p)
	}
	return p, err
}

// addStarts counts partitions that the group has not committed from their start.
func (r *topicReader) addStarts(ctx context.Context, commits kadm.OffsetResponses, p *position) error {
	starts, err := r.admin.ListStartOffsets(ctx, r.topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("topic %s: %w", r.topic, err)
	}
	starts.Each(func(o kadm.ListedOffset) {
		if c, ok := commits.Lookup(o.Topic, o.Partition); !ok || c.At < 0 {
			p.confirmed += o.Offset
		}
	})
	return nil
}

func (r *topicReader) close() { r.client.Close() }

// login is how the table is reached.
type login struct{ addresses, database, user, password string }

// tableReader reads numbers from the tables, over clickhouse-go as any user would.
type tableReader struct{ conn driver.Conn }

func newTableReader(l login) (*tableReader, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:         list(l.addresses),
		Auth:         clickhouse.Auth{Database: l.database, Username: l.user, Password: l.password},
		DialTimeout:  readLimit,
		ReadTimeout:  time.Minute,
		MaxOpenConns: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("clickhouse %s: %w", l.addresses, err)
	}
	return &tableReader{conn: conn}, nil
}

// stored returns the rows of events: a lookup in the table's metadata, not a scan.
func (r *tableReader) stored(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	var n uint64
	err := r.conn.QueryRow(ctx, "SELECT count() FROM events").Scan(&n)
	return int64(n), err
}

// recentSQL reads no more than five minutes of rows and one thread's worth of CPU:
// it runs every second beside the work it watches.
const recentSQL = `
SELECT (SELECT count() FROM events),
       countIf(event_type = 'page_view'), countIf(event_type = 'add_to_cart'),
       countIf(event_type = 'remove_from_cart'), countIf(event_type = 'purchase'),
       sumIf(price, event_type = 'purchase'),
       toFloat64(ifNotFinite(quantileTDigestIf(0.99)(dateDiff('millisecond', timestamp, inserted_at), inserted_at > now64(3) - INTERVAL 1 MINUTE), 0))
FROM events
WHERE timestamp > now64(3) - INTERVAL 5 MINUTE
SETTINGS max_threads = 1`

// recent returns the rows of events in all and what the last five minutes hold.
func (r *tableReader) recent(ctx context.Context) (stored int64, out recent, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	var n uint64
	var p99 float64
	err = r.conn.QueryRow(ctx, recentSQL).Scan(&n, &out.views, &out.carts, &out.removals, &out.purchases, &out.revenue, &p99)
	out.freshness = milliseconds(p99)
	return int64(n), out, err
}

func milliseconds(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

const typesSQL = `SELECT toString(event_type), toInt64(count()), sum(price) FROM events GROUP BY event_type ORDER BY event_type`

// lettersSQL counts a letter once, however often a crash made the consumer repeat it.
const lettersSQL = `SELECT toInt64(uniqExact(_stream, _partition, _offset)) FROM dead_letters`

// totals reads everything but the topic's numbers.
func (r *tableReader) totals(ctx context.Context) (totals, error) {
	t := totals{types: slices.Clone(madeTypes)}
	rows, err := r.conn.Query(ctx, typesSQL)
	if err != nil {
		return t, fmt.Errorf("events by type: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c typeCount
		var prices decimal.Decimal
		if err := rows.Scan(&c.name, &c.rows, &prices); err != nil {
			return t, fmt.Errorf("events by type: %w", err)
		}
		t.types = withCount(t.types, c)
		t.stored += c.rows
		if c.name == "purchase" {
			t.revenue = prices
		}
	}
	if err := rows.Err(); err != nil {
		return t, fmt.Errorf("events by type: %w", err)
	}
	if err := r.conn.QueryRow(ctx, lettersSQL).Scan(&t.letters); err != nil {
		return t, fmt.Errorf("dead letters: %w", err)
	}
	return t, nil
}

// madeTypes are the types that a visitor makes; a summary names them, stored or not.
// Others (remove_from_cart comes from replays only) follow where there are any.
var madeTypes = []typeCount{{name: "page_view"}, {name: "add_to_cart"}, {name: "purchase"}}

// withCount returns types with c in the place of its name, or at the end.
func withCount(types []typeCount, c typeCount) []typeCount {
	for i := range types {
		if types[i].name == c.name {
			types[i].rows = c.rows
			return types
		}
	}
	return append(types, c)
}

// now is the server's clock, to tell this run's rows from earlier ones.
func (r *tableReader) now(ctx context.Context) (time.Time, error) {
	var t time.Time
	err := r.conn.QueryRow(ctx, "SELECT now64(3)").Scan(&t)
	return t, err
}

const freshnessSQL = `
SELECT toFloat64(ifNotFinite(quantileTDigest(0.99)(dateDiff('millisecond', timestamp, inserted_at)), 0))
FROM events WHERE inserted_at >= fromUnixTimestamp64Milli(toInt64(%d))`

// freshness is the 99th percentile, over the rows inserted since then, of the
// time from an event's making to its insert; zero if there are none.
func (r *tableReader) freshness(ctx context.Context, since time.Time) (time.Duration, error) {
	var p99 float64
	err := r.conn.QueryRow(ctx, fmt.Sprintf(freshnessSQL, since.UnixMilli())).Scan(&p99)
	return milliseconds(p99), err
}

func (r *tableReader) close() { _ = r.conn.Close() }

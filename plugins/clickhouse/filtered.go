package clickhouse

import (
	"context"
	"errors"
	"sync"

	"clickstream/internal/event"
	"clickstream/internal/filtered"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// filteredSuffix is added to a table's name: `events_filtered` is of `events`.
const filteredSuffix = "_filtered"

// filterNotes writes down which records a processor has dropped, so that `clickstream
// verify` does not miss them. It has a connection of its own.
type filterNotes struct {
	config *config
	conn   api.Conn
	log    *service.Logger
	forget func()
	absent sync.Once
}

func newFilterNotes(c *config, log *service.Logger) (*filterNotes, error) {
	o := c.options()
	o.MaxOpenConns, o.MaxIdleConns = 1, 1
	conn, err := driver.Open(o)
	if err != nil {
		return nil, err
	}
	f := &filterNotes{config: c, conn: conn, log: log}
	f.forget = filtered.Register(f.store)
	return f, nil
}

func (f *filterNotes) close() error {
	f.forget()
	return f.conn.Close()
}

// What the server says where the notes cannot be, and no retry helps: commits go on.
const unknownTable, accessDenied = 60, 497

// store writes ranges in one insert. Without the table, or the right to insert into it,
// it says once what that means.
func (f *filterNotes) store(ctx context.Context, ranges []filtered.Range) error {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{"async_insert": 0}))
	err := f.insert(ctx, ranges)
	var refused *driver.Exception
	if errors.As(err, &refused) && (refused.Code == unknownTable || refused.Code == accessDenied) {
		f.absent.Do(func() {
			f.log.With("table", f.config.table+filteredSuffix, "code", refused.Code).
				Warn("a processor drops records, and which ones cannot be noted: `clickstream verify` will call them missing; `clickstream init` makes the table of `events`, and its user needs INSERT on it")
		})
		return nil
	}
	if err != nil {
		return f.config.explain(err)
	}
	return nil
}

func (f *filterNotes) insert(ctx context.Context, ranges []filtered.Range) error {
	batch, err := f.conn.PrepareBatch(ctx, "INSERT INTO "+f.config.quoted(f.config.table+filteredSuffix)+" (_stream, _partition, consumer_group, first, last)")
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if err := batch.Append(r.Stream, r.Partition, r.Group, r.First, r.Last); err != nil {
			_ = batch.Abort()
			return err
		}
	}
	return batch.Send()
}

// errNoRecord says that rows cannot have the coordinates they are told apart by.
var errNoRecord = errors.New("a processor has removed the metadata key " + event.RecordKey + ", which says what record of Kafka a message was made of: delete the keys that you mean instead of all")

// reached marks the records of a batch that a table of rows or letters takes.
func reached(batch service.MessageBatch) error {
	for _, m := range batch {
		r, known := event.RecordOf(m)
		if !known {
			return errNoRecord
		}
		if r != nil {
			r.Reached.Store(true)
		}
	}
	return nil
}

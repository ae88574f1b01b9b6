package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	native "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ClickHouse/ch-go/proto"
)

// server is the table's home: the only code that speaks to it. One goroutine at a
// time may use it.
type server struct {
	config   *config
	conn     api.Conn
	settings driver.Settings
	stale    bool   // an insert failed: look at the table before the next one
	comment  string // of the next insert, where other writers find it
	texts    []string
	wire     []byte
	feed     feed
	reader   *proto.Reader
}

// dial returns a server without connecting: the driver connects on first use, in the
// order of the addresses, so that the first that answers is used.
func dial(c *config) (*server, error) {
	conn, err := driver.Open(c.options())
	if err != nil {
		return nil, err
	}
	return newServer(c, conn), nil
}

func newServer(c *config, conn api.Conn) *server {
	s := &server{config: c, conn: conn}
	s.reader = proto.NewReader(&s.feed)
	return s
}

// prepare reads the table and returns how its rows are filled. It ends with an
// insert of no rows, which fails as a real one would: on a missing right, say.
func (s *server) prepare(ctx context.Context) (*plan, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.insertTimeout)
	defer cancel()
	columns, err := s.columns(ctx)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(s.config, columns)
	if err != nil {
		return nil, schemaError{err}
	}
	if err := s.guard(ctx); err != nil {
		return nil, err
	}
	if err := s.readSettings(ctx); err != nil {
		return nil, err
	}
	return p, s.rehearse(ctx, p)
}

func (s *server) columns(ctx context.Context) ([]tableColumn, error) {
	result, err := s.conn.Query(ctx, "DESCRIBE TABLE "+s.config.quotedTable())
	if err != nil {
		return nil, err
	}
	defer func() { _ = result.Close() }() // what went wrong is in Err
	texts := make([]string, len(result.Columns()))
	into := make([]any, len(texts))
	for i := range texts {
		into[i] = &texts[i]
	}
	if len(texts) < 3 {
		return nil, fmt.Errorf("describe %s: want name, type and default_type, got %d columns", s.config.target(), len(texts))
	}
	var columns []tableColumn
	for result.Next() {
		if err := result.Scan(into...); err != nil {
			return nil, err
		}
		columns = append(columns, tableColumn{name: texts[0], typ: texts[1], defaultKind: texts[2]})
	}
	return columns, result.Err()
}

func (s *server) rehearse(ctx context.Context, p *plan) error {
	batch, err := s.conn.PrepareBatch(s.with(ctx), p.query)
	if err != nil {
		var exception *driver.Exception
		if errors.As(err, &exception) || timeout(err) || network(err) {
			return err
		}
		return schemaError{err} // the driver cannot read its own statement: an odd name
	}
	if err := matches(batch.Columns(), p.bindings); err != nil {
		return errors.Join(err, batch.Abort())
	}
	return batch.Close()
}

func (s *server) with(ctx context.Context) context.Context {
	settings := s.settings
	if s.comment != "" {
		settings = maps.Clone(settings)
		settings["log_comment"] = s.comment
	}
	return driver.Context(ctx, driver.WithSettings(settings))
}

// refused is for a row that the server would not take: an exception is its last word.
func (s *server) refused(context.Context, *block, int) (stored bool, err error) { return false, nil }

// find has nothing to look for: only a plan that is `once` makes suspects.
func (s *server) find(context.Context, []*suspect) error { return nil }

// insert sends rows lo to hi of the block as one insert. Unless it returns nil, the
// rows may or may not be stored.
func (s *server) insert(ctx context.Context, b *block, lo, hi int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.insertTimeout)
	defer cancel()
	defer func() {
		if s.stale = err != nil; s.stale && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("insert of %d rows: no answer within %v: %w", hi-lo, s.config.insertTimeout, ctx.Err())
		}
	}()
	if s.stale {
		if err := s.compare(ctx, b.plan); err != nil {
			return err
		}
	}
	batch, err := s.conn.PrepareBatch(s.with(ctx), b.plan.query)
	if err != nil {
		return err
	}
	if err := s.fill(batch.Columns(), b, lo, hi); err != nil {
		return errors.Join(err, batch.Abort())
	}
	return batch.Send()
}

// compare looks whether the table is still as the plan has it.
func (s *server) compare(ctx context.Context, p *plan) error {
	columns, err := s.columns(ctx)
	if err != nil {
		return err
	}
	for _, b := range p.bindings {
		same := func(c tableColumn) bool { return c.name == b.column && c.typ == b.name }
		if !slices.ContainsFunc(columns, same) {
			return fmt.Errorf("column %s: %w", b.column, errDrift)
		}
	}
	return nil
}

// matches compares the columns that the server expects with those that will be
// sent. A server may prepare an insert of fewer columns, or of none, and then
// accept it without storing anything.
func matches(got []native.Interface, want []binding) error {
	if len(got) != len(want) {
		return fmt.Errorf("the server expects %d columns, want %d: %w", len(got), len(want), errDrift)
	}
	for i, b := range want {
		if got[i].Name() != b.column || string(got[i].Type()) != b.name {
			return fmt.Errorf("the server expects %s %s, want %s %s: %w", got[i].Name(), got[i].Type(), b.column, b.name, errDrift)
		}
	}
	return nil
}

// fill gives the driver's columns the block's rows, whole columns at a time. Decode
// is how the driver itself builds a column of wire bytes: one copy, and none of the
// value by value conversions that Append makes.
func (s *server) fill(into []native.Interface, b *block, lo, hi int) error {
	if err := matches(into, b.plan.bindings); err != nil {
		return err
	}
	for i := range b.columns {
		c := &b.columns[i]
		text := lo < hi && c.width == 0 && !c.nullable && !c.lowCardinality
		if text {
			s.feed.parts, s.wire = c.blank(s.feed.parts[:0], s.wire[:0], lo, hi)
		} else {
			s.feed.parts, s.wire = c.encode(s.feed.parts[:0], s.wire[:0], lo, hi)
		}
		if err := into[i].Decode(s.reader, hi-lo); err != nil {
			s.reader = proto.NewReader(&s.feed) // it may hold half a column
			return fmt.Errorf("column %s: %w", c.column, err)
		}
		if text {
			if err := s.fillText(into[i], c, lo, hi); err != nil {
				return err
			}
		}
	}
	return nil
}

// fillText appends a String column, which is faster than to decode it, to one that has
// been blank before: Reset leaves it room for all of the rows, or it would grow and be
// copied again and again (37 instead of 66 ns a row of ten bytes).
func (s *server) fillText(into native.Interface, c *column, lo, hi int) error {
	into.Reset()
	s.texts = c.texts(s.texts[:0], lo, hi)
	defer clear(s.texts) // they hold the column's bytes
	_, err := into.Append(s.texts)
	return err
}

func (s *server) close() error { return s.conn.Close() }

// feed is a reader of byte slices.
type feed struct{ parts [][]byte }

func (f *feed) Read(p []byte) (int, error) {
	for len(f.parts) > 0 && len(f.parts[0]) == 0 {
		f.parts = f.parts[1:]
	}
	if len(f.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.parts[0])
	f.parts[0] = f.parts[0][n:]
	return n, nil
}

package clickhouse

import (
	"context"
	"errors"
	"fmt"

	api "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/event"
)

// ErrLettersOnly says that an output takes what another one refused: it judges nothing.
var ErrLettersOnly = errors.New("it takes refused rows only")

// Judge tells what an output would make of records, without one being sent. It is not
// safe for concurrent use.
type Judge struct {
	block  *block
	at     event.Coordinate
	number []byte // what Sum hashes of the offset
	// Table is the one that it judges by, with its database.
	Table string
}

// NewJudge takes an output's fields as YAML, of which it needs what says how a record
// becomes a row, and reads the table as it is now from a server and database of the
// caller's choice. An error is of the YAML, of the table, or ErrLettersOnly.
func NewJudge(ctx context.Context, conn api.Conn, database, fields string) (*Judge, error) {
	pc, err := spec().ParseYAML(fields, nil)
	if err != nil {
		return nil, err
	}
	c, err := parse(pc)
	if err != nil {
		return nil, err
	}
	c.database = database
	columns, err := newServer(c, conn).columns(ctx)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", c.target(), err)
	}
	p, err := newPlan(c, columns)
	if err != nil {
		return nil, err
	}
	if p.letters {
		return nil, ErrLettersOnly
	}
	return &Judge{block: newBlock(p), at: event.Coordinate{Source: &event.Source{}}, Table: c.target()}, nil
}

// Check returns why a record with this value would be refused, or nil.
func (j *Judge) Check(value []byte) *event.Rejection {
	defer j.block.reset()
	return j.block.append([]row{{doc: value, at: j.at}})
}

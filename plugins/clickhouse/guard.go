package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// ownerConstraint is the one of config/clickhouse/003_owners.sql.
const ownerConstraint = "current_owner"

// notOwner reports whether that constraint refused the insert. A row's values stand
// behind the constraint's name in the server's words, and cannot pass for it.
func notOwner(err error) bool {
	var exception *driver.Exception
	if !errors.As(err, &exception) || exception.Code != 469 {
		return false
	}
	words, _, _ := strings.Cut(exception.Message, " for table")
	return strings.HasSuffix(words, "Constraint `"+ownerConstraint+"`")
}

// guard refuses a table whose constraint would refuse every row, and one that lacks
// what exactly_once rests on.
func (s *server) guard(ctx context.Context) error {
	if !s.config.coordinates {
		return nil
	}
	found, err := s.definitions(ctx, s.config.table, s.config.fence())
	if err != nil {
		return err
	}
	guarded := strings.Contains(found[s.config.table], "CONSTRAINT "+ownerConstraint+" CHECK")
	fence, fenced := found[s.config.fence()]
	switch {
	case guarded && !s.config.exactlyOnce:
		return schemaError{fmt.Errorf("table %s has the constraint %s: set `exactly_once: true`, or use a table without it", s.config.target(), ownerConstraint)}
	case s.config.exactlyOnce && !guarded:
		return schemaError{fmt.Errorf("table %s has no constraint %s, which exactly_once rests on: run `clickstream init`, or add it", s.config.target(), ownerConstraint)}
	case s.config.exactlyOnce && !fenced:
		return schemaError{fmt.Errorf("table %s has no fence %s, which exactly_once rests on: run `clickstream init`, or create it", s.config.target(), s.config.fence())}
	case s.config.exactlyOnce && !strings.Contains(fence, "persistent = 0"):
		return schemaError{fmt.Errorf("the fence %s is kept on disk, and comes back from a restart in another order than it was obeyed: run `clickstream init`, or replace it by one with persistent = 0", s.config.fenceTarget())}
	}
	return nil
}

// definitions returns the CREATE statements of two tables of our database, if they exist.
func (s *server) definitions(ctx context.Context, table, other string) (map[string]string, error) {
	result, err := s.conn.Query(ctx, `SELECT name, create_table_query FROM system.tables
		WHERE database = if(? = '', currentDatabase(), ?) AND name IN (?, ?)`, s.config.database, s.config.database, table, other)
	if err != nil {
		return nil, err
	}
	defer func() { _ = result.Close() }() // what went wrong is in Err
	found := map[string]string{}
	for result.Next() {
		var name, create string
		if err := result.Scan(&name, &create); err != nil {
			return nil, err
		}
		found[name] = create
	}
	return found, result.Err()
}

package front

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
	"clickstream/internal/engine/wire"
)

// external is a temporary table that came with a query.
type external struct {
	name    string
	columns []wire.Column
	data    []byte // FORMAT Native
}

// externalsInTurn reads them in a place among mostReading: compressed ones announce
// lengths that are believed.
func (c *nativeConn) externalsInTurn() ([]external, error) {
	give, err := c.backend.reading.take(c.ctx)
	if err != nil {
		return nil, err
	}
	defer give()
	_ = c.socket.SetReadDeadline(time.Now().Add(stall))
	defer func() { _ = c.socket.SetReadDeadline(time.Time{}) }()
	return c.externals()
}

// externals reads the Data packets behind a query; an empty block ends them.
func (c *nativeConn) externals() ([]external, error) {
	var tables []external
	for {
		packet, err := wire.Uvarint(c.in)
		if err != nil {
			return nil, err
		}
		if packet != clientData {
			return nil, fmt.Errorf("%w: packet %d behind a query", wire.ErrMalformed, packet)
		}
		var data bytes.Buffer
		name, h, err := c.readBlock(&data)
		if err != nil {
			return nil, err
		}
		if len(h.Columns) == 0 {
			return tables, nil
		}
		tables = append(tables, external{name: name, columns: h.Columns, data: data.Bytes()})
	}
}

// create makes the temporary table on a session.
func (e external) create(session *chdb.Conn) error {
	var columns []string
	for _, column := range e.columns {
		columns = append(columns, statement.Identifier(column.Name)+" "+column.Type)
	}
	name := statement.Identifier(e.name)
	create := "CREATE TEMPORARY TABLE IF NOT EXISTS " + name + " (" + strings.Join(columns, ", ") + ")"
	if err := plain(create); err != nil {
		return err
	}
	if err := session.Exec(create); err != nil {
		return err
	}
	return feed(session, "INSERT INTO "+name, "Native", bytes.NewReader(e.data))
}

// feed inserts everything that data holds.
func feed(session *chdb.Conn, sql, format string, data io.Reader) error {
	insert, err := session.Insert(sql, format)
	if err != nil {
		return err
	}
	if _, err := io.Copy(insert, data); err != nil {
		insert.Cancel()
		return err
	}
	_, err = insert.Done()
	return err
}

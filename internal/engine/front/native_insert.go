package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
	"clickstream/internal/engine/wire"
)

// insertion is an INSERT whose rows come with it.
type insertion struct {
	*statement.Insert
	sql     string
	comment string
	leave   func() // gives its slot back
}

// insert runs an INSERT: with its data in the text, or in blocks that follow.
func (c *nativeConn) insert(session *chdb.Conn, in insertion) error {
	inline := strings.TrimSpace(in.sql[in.Data:])
	if inline != "" && inline != ";" && !strings.EqualFold(in.Format, "Native") {
		return c.insertText(session, in)
	}
	columns, err := insertColumns(session, in.Insert)
	if err != nil {
		return c.exception(err)
	}
	insert, err := session.Insert(in.Head, "Native")
	if err != nil {
		return c.exception(err)
	}
	if err := c.send(wire.AppendHeader(nil, columns)); err != nil {
		insert.Cancel()
		return err
	}
	rows := &wait{deadline: c.socket.SetReadDeadline}
	defer c.backend.open.add(in.comment, rows)()
	in.leave()
	if err := c.receive(paced{tolerant{insert}, c.backend, c.ctx}, rows); err != nil { // the client broke off: nothing of it may stay
		insert.Cancel()
		return errors.Join(err, c.exception(rows.why(err)))
	}
	leave, err := c.backend.slots.take(c.ctx)
	if err != nil {
		insert.Cancel()
		return err
	}
	defer leave()
	stats, err := insert.Done()
	if err != nil {
		return c.exception(err)
	}
	return c.end(stats)
}

func (c *nativeConn) insertText(session *chdb.Conn, in insertion) error {
	err := feed(session, in.Head, in.Format, strings.NewReader(in.sql[in.Data:]))
	if err != nil {
		return c.exception(err)
	}
	return c.end(chdb.Stats{})
}

// receive feeds the client's blocks to the engine up to the empty one. When the
// engine takes no more, the rest is still read: only then does the client listen.
// The engine's error is told by Done.
func (c *nativeConn) receive(insert io.Writer, rows *wait) error {
	out := bufio.NewWriterSize(insert, blockBuffer)
	for {
		rows.extend()
		packet, err := wire.Uvarint(c.in)
		if err != nil {
			return err
		}
		if packet != clientData {
			return fmt.Errorf("%w: packet %d in the data of an INSERT", wire.ErrMalformed, packet)
		}
		_, h, err := c.readBlock(out)
		if err != nil {
			return err
		}
		if len(h.Columns) == 0 {
			return out.Flush()
		}
	}
}

// tolerant swallows what the engine refuses.
type tolerant struct{ insert *chdb.Insert }

func (t tolerant) Write(p []byte) (int, error) {
	_, _ = t.insert.Write(p) // kept by the insert, returned by Done
	return len(p), nil
}

// insertColumns returns what an INSERT's first block must look like.
func insertColumns(session *chdb.Conn, in *statement.Insert) ([]wire.Column, error) {
	table, err := describe(session, "TABLE "+in.Table)
	if err != nil {
		return nil, err
	}
	if in.Columns == nil {
		return table.columns, nil
	}
	var columns []wire.Column
	for _, name := range in.Columns {
		kind, ok := table.types[name]
		if !ok {
			return nil, chdb.NewError(16, "NO_SUCH_COLUMN_IN_TABLE", "No such column "+name+" in table "+in.Table)
		}
		columns = append(columns, wire.Column{Name: name, Type: kind})
	}
	return columns, nil
}

// described is what DESCRIBE says.
type described struct {
	columns []wire.Column     // those an INSERT without a column list has
	types   map[string]string // of all columns that can be inserted
}

func describe(session *chdb.Conn, what string) (described, error) {
	if err := plain("DESCRIBE " + what); err != nil {
		return described{}, err
	}
	text, err := session.Text("DESCRIBE "+what, "TSV")
	if err != nil {
		return described{}, err
	}
	d := described{types: map[string]string{}}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) < 3 {
			continue
		}
		name, kind := unescape(fields[0]), unescape(fields[1])
		switch fields[2] {
		case "ALIAS":
		case "MATERIALIZED", "EPHEMERAL": // only when the INSERT names them
			d.types[name] = kind
		default:
			d.types[name] = kind
			d.columns = append(d.columns, wire.Column{Name: name, Type: kind})
		}
	}
	return d, nil
}

// unescape undoes the escapes of TSV.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`, `\n`, "\n", `\t`, "\t", `\r`, "\r", `\0`, "\x00", `\b`, "\b", `\f`, "\f").Replace(s)
}

package front

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
	"clickstream/internal/engine/wire"
)

// query runs a Query packet. An error is one of the connection: those of the
// statement go to the client.
func (c *nativeConn) query() error {
	q, err := readQuery(c.in)
	if err != nil {
		return err
	}
	named := q.id != ""
	if !named {
		q.id = c.backend.newID()
	}
	c.compress, c.method = q.compressed, compress.LZ4
	if strings.EqualFold(q.settings["network_compression_method"], "ZSTD") {
		c.method = compress.ZSTD
	}
	tables, err := c.externalsInTurn()
	if err != nil {
		return errors.Join(err, c.exception(err))
	}
	st := statement.Parse(q.sql)
	if st.Problem != nil {
		return c.exception(chdb.NewError(st.Problem.Code, st.Problem.Name, st.Problem.Message))
	}
	if st.Insert != nil {
		give, err := c.backend.rows.take(c.ctx)
		if err != nil {
			return err
		}
		defer give()
	}
	leave, err := c.backend.enter(c.ctx, st.Kind)
	if err != nil {
		return err
	}
	defer leave()
	r := request{id: q.id, database: c.database, settings: q.settings, before: c.before}
	if selects[st.Kind] && st.Insert == nil && !named && len(tables) == 0 {
		return c.again(r, st, leave)
	}
	session, err := c.backend.session(r)
	if err != nil {
		return c.exception(err)
	}
	defer session.Close()
	for _, table := range tables {
		if err := table.create(session); err != nil {
			return c.exception(err)
		}
	}
	return c.run(session, st, insertion{comment: r.comment(), leave: leave})
}

// run runs a statement on its session.
func (c *nativeConn) run(session *chdb.Conn, st statement.Statement, in insertion) error {
	if err := c.backend.admit(session, st, false); err != nil {
		return c.exception(err)
	}
	if st.Insert != nil {
		in.Insert, in.sql = st.Insert, st.SQL
		return c.insert(session, in)
	}
	if st.Kind == "KILL" {
		defer c.backend.whileKilling()()
	}
	stop := c.watch(in.comment)
	defer stop()
	if selects[st.Kind] {
		return c.stream(session, st.Bare)
	}
	result, err := session.Query(st.Bare, "Native")
	if err != nil {
		return c.exception(err)
	}
	defer result.Free()
	if st.Kind == "SET" || st.Kind == "USE" {
		c.remember(st.SQL)
	}
	err = c.sendAll(result.Bytes())
	if err == nil && len(result.Bytes()) == 0 && lists[st.Kind] {
		err = c.emptyList(session, st.Bare)
	}
	if err != nil {
		return err
	}
	return c.end(result.Stats())
}

// selects are the statements whose answer is streamed, and that leave nothing behind in
// their session.
var selects = map[string]bool{"SELECT": true, "WITH": true}

// again runs a SELECT without an id of its client's own in the session of the one before
// it, if that was opened alike.
func (c *nativeConn) again(r request, st statement.Statement, leave func()) error {
	session, comment, err := c.kept.session(c.backend, r)
	if err != nil {
		return c.exception(err)
	}
	defer c.kept.done()
	return c.run(session, st, insertion{comment: comment, leave: leave})
}

// lists are the statements whose answer is a table even if it has no rows. They
// change nothing, so they may run twice.
var lists = map[string]bool{"SHOW": true, "DESCRIBE": true, "DESC": true, "EXPLAIN": true}

// emptyList sends the columns of an answer without rows: clients want them, and in
// the Native format the engine writes nothing at all.
func (c *nativeConn) emptyList(session *chdb.Conn, sql string) error {
	text, err := session.Text(sql, "TSVWithNamesAndTypes")
	lines := strings.Split(text, "\n")
	if err != nil || len(lines) < 2 {
		return nil // the client gets no columns, which some bear
	}
	names, kinds := strings.Split(lines[0], "\t"), strings.Split(lines[1], "\t")
	var columns []wire.Column
	for i := range min(len(names), len(kinds)) {
		columns = append(columns, wire.Column{Name: unescape(names[i]), Type: unescape(kinds[i])})
	}
	return c.send(wire.AppendHeader(nil, columns))
}

// maxRemembered bounds the statements that every later one of a connection repeats.
const maxRemembered = 64

// remember keeps a SET or USE for the statements that follow on this connection:
// each runs in an engine connection of its own.
func (c *nativeConn) remember(sql string) {
	if len(c.before) < maxRemembered {
		c.before = append(c.before, sql)
	}
}

// stream sends the answer of a SELECT block by block.
func (c *nativeConn) stream(session *chdb.Conn, sql string) error {
	stream, err := session.Stream(sql, "Native")
	if err != nil {
		return c.exception(err)
	}
	defer stream.Close()
	var total chdb.Stats
	for first := true; ; first = false {
		chunk, err := stream.Next()
		if err != nil {
			return c.exception(err)
		}
		block, s := chunk.Bytes(), chunk.Stats()
		total.ReadRows += s.ReadRows
		total.ReadBytes += s.ReadBytes
		if first { // clients want a block of no rows before all others
			err = c.header(session, sql, block)
		}
		if err == nil && len(block) > 0 {
			err = c.send(block)
		}
		chunk.Free()
		if err != nil {
			return err
		}
		if len(block) == 0 {
			return c.end(total)
		}
	}
}

// header sends the columns of a SELECT: those of its first block, or what DESCRIBE
// says if it has no rows or a column whose layout is not known here.
func (c *nativeConn) header(session *chdb.Conn, sql string, block []byte) error {
	var columns []wire.Column
	if len(block) > 0 {
		if h, err := wire.Copy(io.Discard, bufio.NewReader(bytes.NewReader(block))); err == nil {
			columns = h.Columns
		}
	}
	if columns == nil {
		described, err := describe(session, "("+strings.TrimRight(sql, "; \t\r\n")+"\n)")
		if err != nil {
			return nil // e.g. SELECT with FORMAT inside a union: the block itself must do
		}
		columns = described.columns
	}
	return c.send(wire.AppendHeader(nil, columns))
}

// sendAll sends the blocks of a whole answer one by one.
func (c *nativeConn) sendAll(answer []byte) error {
	in := bufio.NewReader(bytes.NewReader(answer))
	for {
		if _, err := in.Peek(1); err != nil {
			return nil
		}
		var block bytes.Buffer
		if _, err := wire.Copy(&block, in); err != nil {
			return c.send(answer) // one block, as every statement but a large SHOW gives
		}
		if err := c.send(block.Bytes()); err != nil {
			return err
		}
	}
}

// watch ends a statement when its client cancels it or goes away. The returned
// function ends the watch.
func (c *nativeConn) watch(comment string) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		next, err := c.in.Peek(1)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return // stop was called
		}
		if err != nil || next[0] == clientCancel {
			c.backend.killID(comment)
		}
	}()
	return func() {
		_ = c.socket.SetReadDeadline(past)
		<-done
		_ = c.socket.SetReadDeadline(time.Time{})
	}
}

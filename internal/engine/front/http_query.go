package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
)

// serve runs the request's statement. The error goes to the client as an exception.
func (x *exchange) serve() error {
	in, err := x.read()
	defer in.toll.done()
	if err != nil {
		return err
	}
	format := x.format(in.Format)
	if revision, _ := strconv.ParseUint(x.values.Get("client_protocol_version"), 10, 64); revision > 0 &&
		strings.TrimSpace(in.SQL) == helloSQL && strings.EqualFold(format, "Native") {
		return x.hello(revision)
	}
	if in.Insert != nil {
		give, err := x.backend.rows.take(x.r.Context())
		if err != nil {
			return err
		}
		defer give()
	}
	leave, err := x.backend.enter(x.r.Context(), in.Kind)
	if err != nil {
		return err
	}
	defer leave()
	in.toll.done()
	r := x.request()
	session, err := x.backend.session(r)
	if err != nil {
		return err
	}
	defer session.Close()
	for name, data := range in.tables {
		if err := x.external(session, name, data); err != nil {
			return err
		}
	}
	if err := x.backend.admit(session, in.Statement, r.readonly != ""); err != nil {
		return err
	}
	if in.Insert != nil {
		return x.insert(session, in, insertion{comment: r.comment(), leave: leave})
	}
	if in.Kind == "KILL" {
		defer x.backend.whileKilling()()
	}
	stop := x.watch(r.comment())
	defer stop()
	x.setFormat(format)
	isSelect := in.Kind == "SELECT" || in.Kind == "WITH"
	if isSelect && joinable[strings.ToLower(format)] && x.values.Get("wait_end_of_query") != "1" {
		return x.stream(session, in, format)
	}
	return x.whole(session, in, format)
}

// format is what the answer is written in: the statement's word comes first.
func (x *exchange) format(clause string) string {
	for _, name := range []string{clause, x.values.Get("default_format"), x.r.Header.Get("X-ClickHouse-Format")} {
		if name != "" {
			return name
		}
	}
	return "TabSeparated"
}

// watch ends the statement when its client goes away.
func (x *exchange) watch(comment string) (stop func()) {
	stopped := context.AfterFunc(x.r.Context(), func() { x.backend.killID(comment) })
	return func() { stopped() }
}

// external fills a temporary table of the session with an uploaded file.
func (x *exchange) external(session *chdb.Conn, name string, data io.Reader) error {
	structure := x.values.Get(name + "_structure")
	if structure == "" {
		var columns []string
		for i, kind := range strings.Split(x.values.Get(name+"_types"), ",") {
			columns = append(columns, fmt.Sprintf("_%d %s", i+1, kind))
		}
		structure = strings.Join(columns, ", ")
	}
	format := x.values.Get(name + "_format")
	if format == "" {
		format = "TabSeparated"
	}
	table := statement.Identifier(name)
	create := "CREATE TEMPORARY TABLE " + table + " (" + structure + ")"
	if err := plain(create); err != nil {
		return err
	}
	if err := session.Exec(create); err != nil {
		return err
	}
	return feed(session, "INSERT INTO "+table, format, data)
}

// insert feeds a request's rows to the engine as they come.
func (x *exchange) insert(session *chdb.Conn, in input, i insertion) error {
	format := in.Insert.Format
	if format == "" {
		format = "Values"
	}
	insert, err := session.Insert(in.Insert.Head, format)
	if err != nil {
		return err
	}
	rows := &wait{deadline: http.NewResponseController(x.w).SetReadDeadline}
	defer x.backend.open.add(i.comment, rows)()
	i.leave()
	if err := pour(paced{insert, x.backend, x.r.Context()}, in.data, rows); err != nil {
		insert.Cancel() // the client broke off: nothing of it may stay
		return rows.why(err)
	}
	leave, err := x.backend.slots.take(x.r.Context())
	if err != nil {
		insert.Cancel()
		return err
	}
	defer leave()
	stats, err := insert.Done()
	if err != nil {
		return err
	}
	x.setSummary(stats)
	x.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	x.w.Header().Set("Content-Length", "0")
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// piece is how much of an insert is given to the engine at once, firstPiece of one
// that may be waiting for rows for long.
const (
	piece      = 256 << 10
	firstPiece = 16 << 10
)

// pour writes data to insert. Its error is that of the client; the engine's is
// told by Done. When the engine takes no more, the rest is still read: a client
// that is cut off while it sends does not see the answer.
func pour(insert io.Writer, data io.Reader, rows *wait) error {
	buffer := make([]byte, firstPiece)
	for {
		rows.extend()
		n, err := fill(data, buffer)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			_, _ = insert.Write(buffer[:n])
			return nil
		}
		if _, refused := insert.Write(buffer); refused != nil {
			_, err := io.Copy(io.Discard, data)
			return err
		}
		if len(buffer) < piece {
			buffer = make([]byte, 2*len(buffer))
		}
	}
}

// whole answers with a result that is in memory as a whole.
func (x *exchange) whole(session *chdb.Conn, in input, format string) error {
	result, err := session.Query(in.SQL, format, in.params...)
	if err != nil {
		return err
	}
	defer result.Free()
	x.setSummary(result.Stats())
	if len(result.Bytes()) == 0 {
		x.w.Header().Set("Content-Length", "0")
		return nil
	}
	out := x.encoder()
	if _, err := out.Write(result.Bytes()); err != nil {
		return nil // the client has gone
	}
	_ = out.end()
	return nil
}

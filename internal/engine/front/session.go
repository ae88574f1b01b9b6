package front

import (
	"maps"
	"slices"
	"strings"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
)

// request is what a session is opened with.
type request struct {
	id       string
	database string
	settings map[string]string
	// before are statements to run first: SET and USE that a native client sent
	// earlier on the same connection.
	before []string
	// readonly is the value of the setting of that name, "" to leave it.
	readonly string
}

func quote(s string) string { return statement.String(s) }

// session opens an engine connection for one request and nothing else: settings,
// current database and errors can then never leak into the next one. With what it is
// prepared by and the engine's first steps in a new session that costs 1 ms of CPU, as
// much as a small SELECT itself: see kept.
func (b *Backend) session(r request) (*chdb.Conn, error) {
	c, err := b.engine.Connect()
	if err != nil {
		return nil, err
	}
	if err := prepare(c, r); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func prepare(c *chdb.Conn, r request) error {
	if r.database != "" && r.database != "default" {
		if err := c.Exec("USE " + statement.Identifier(r.database)); err != nil {
			return err
		}
	}
	for _, sql := range r.before {
		if err := c.Exec(sql); err != nil {
			return err
		}
	}
	var sets []string
	for _, name := range slices.Sorted(maps.Keys(r.settings)) {
		if !settingName.MatchString(name) {
			return chdb.NewError(115, "UNKNOWN_SETTING", "Unknown setting "+quote(name))
		}
		if name != commentSetting {
			sets = append(sets, name+" = "+quote(r.settings[name]))
		}
	}
	sets = append(sets, commentSetting+" = "+quote(r.comment()))
	if r.readonly != "" { // last: it forbids further SETs
		sets = append(sets, "readonly = "+quote(r.readonly))
	}
	return c.Exec("SET " + strings.Join(sets, ", "))
}

const commentSetting = "log_comment"

// comment is what the statement is known by in system.processes: the engine
// chooses query_id itself. A comment of the client's own goes behind the id.
func (r request) comment() string {
	if own := r.settings[commentSetting]; own != "" {
		return r.id + " " + own
	}
	return r.id
}

// mostKept bounds the sessions that are kept, of all clients together: each holds some
// megabytes of the engine's memory, and a client may leave a thousand connections open.
const mostKept = 8

// kept is the session of a client that asks the same way again and again, as a live page
// does a dozen times a second. Only SELECTs run in it, which change nothing there.
type kept struct {
	backend *Backend // whose count it is in; nil if it is not to be kept
	conn    *chdb.Conn
	opened  string // what it was opened with
	comment string // what its statements, one at a time, are known by
	failed  bool   // a statement of the client: the next one begins anew
}

// session returns the session for r, and the comment of its statements.
func (k *kept) session(b *Backend, r request) (*chdb.Conn, string, error) {
	opened := r.key()
	if k.conn != nil && k.opened == opened && !k.failed {
		return k.conn, k.comment, nil
	}
	k.close()
	conn, err := b.session(r)
	if err != nil {
		return nil, "", err
	}
	k.conn, k.opened, k.comment, k.failed = conn, opened, r.comment(), false
	if b.keeping.Add(1) <= mostKept {
		k.backend = b
	} else {
		b.keeping.Add(-1)
	}
	return conn, k.comment, nil
}

// done says that a statement has ended.
func (k *kept) done() {
	if k.backend == nil {
		k.close()
	}
}

func (k *kept) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
	if k.backend != nil {
		k.backend.keeping.Add(-1)
		k.backend = nil
	}
}

// key is the same for requests whose sessions are alike but for their ids.
func (r request) key() string {
	parts := append([]string{quote(r.database), quote(r.readonly)}, r.before...)
	for _, name := range slices.Sorted(maps.Keys(r.settings)) {
		parts = append(parts, quote(name)+"="+quote(r.settings[name]))
	}
	return strings.Join(parts, "\x00")
}

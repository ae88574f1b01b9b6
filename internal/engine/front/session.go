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
// current database and errors can then never leak into the next one. It costs
// 0.1 ms, 7 % of an insert of 1,000 rows.
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

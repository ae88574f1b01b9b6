// Package schema brings ClickHouse and Kafka to the state that the pipelines need:
// database, tables and their retention, topics. Whatever is there already stays, with
// its rows; running it again changes nothing.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/config"
)

// Options say what the tables shall be like.
type Options struct {
	// Database holds the tables; any name that ClickHouse takes.
	Database string
	// EventsRetention and DeadLettersRetention are the tables' only setting.
	EventsRetention, DeadLettersRetention Retention
}

// Report is what Apply found and did.
type Report struct {
	// Version is the schema's version afterwards.
	Version int
	// Changes says in words what was done, in that order; empty if nothing was.
	Changes []string
}

// String returns the changes line by line, or that there was nothing to do.
func (r Report) String() string {
	if len(r.Changes) == 0 {
		return fmt.Sprintf("nothing to do, schema is version %d", r.Version)
	}
	text := ""
	for _, c := range r.Changes {
		text += c + "\n"
	}
	return text + fmt.Sprintf("schema is version %d", r.Version)
}

// ErrNewer means that the database was made by a later release: this one cannot
// know what its tables mean.
var ErrNewer = errors.New("schema is newer than this binary")

// Apply brings the database to this binary's version and the tables to their
// retention. It may be killed at any point and run again, and several may run at
// once: each numbered file counts as applied once it has been recorded, and each of
// its statements can be repeated. On an error the report holds what was done so far.
//
// conn needs no database of its own. The user needs SELECT on system.tables and
// system.databases, and for what there is to do CREATE, ALTER and INSERT.
func Apply(ctx context.Context, conn driver.Conn, o Options) (Report, error) {
	return apply(ctx, conn, o, config.ClickHouse())
}

func apply(ctx context.Context, conn driver.Conn, o Options, files fs.FS) (Report, error) {
	if err := checkDatabase(o.Database); err != nil {
		return Report{}, err
	}
	migrations, err := load(files)
	if err != nil {
		return Report{}, err
	}
	u := &upgrade{conn: conn, options: o, files: files}
	if err := u.migrate(ctx, migrations); err != nil {
		return u.report, err
	}
	return u.report, errors.Join(
		u.retain(ctx, "events", o.EventsRetention),
		u.retain(ctx, "events_filtered", o.EventsRetention),
		u.retain(ctx, "dead_letters", o.DeadLettersRetention),
	)
}

// checkDatabase refuses what no server takes as a folder's name, and a dot, where
// joinGet would cut the name of the fence; everything else is quoted.
func checkDatabase(name string) error {
	const longest = 200 // bytes; ClickHouse escapes up to threefold into a file name of 255, and says so itself
	if name == "" || len(name) > longest {
		return fmt.Errorf("database: want a name of 1 to %d bytes, got %d", longest, len(name))
	}
	if strings.Contains(name, ".") {
		return fmt.Errorf("database: want a name without a dot, got %q", name)
	}
	return nil
}

// upgrade is one run of Apply.
type upgrade struct {
	conn    driver.Conn
	options Options
	files   fs.FS
	before  map[string]bool // the tables there were at the start, "" for the database
	report  Report
}

// migrate applies the files that the database has not seen. The first one, 000, only
// makes the place where the others are recorded.
func (u *upgrade) migrate(ctx context.Context, all []migration) error {
	newest := all[len(all)-1].version
	tables, err := u.tables(ctx)
	if err != nil {
		return err
	}
	current := uint32(0)
	if tables[versionTable] {
		if current, err = u.version(ctx); err != nil {
			return err
		}
	}
	u.before, u.report.Version = tables, int(current)
	if current > newest {
		return fmt.Errorf("database %q has schema version %d, this binary knows up to %d: %w; run the release that made it, or a later one",
			u.options.Database, current, newest, ErrNewer)
	}
	if !tables[versionTable] {
		if err := u.run(ctx, all[0]); err != nil {
			return err
		}
	}
	for _, m := range all[1:] {
		if m.version <= current {
			continue
		}
		if err := u.run(ctx, m); err != nil {
			return err
		}
		if err := u.record(ctx, m); err != nil {
			return err
		}
		u.report.Version = int(m.version)
	}
	return nil
}

// versionTable is made by 000_schema_version.sql.
const versionTable = "schema_version"

// tables returns the database's tables, and "" if the database itself exists.
func (u *upgrade) tables(ctx context.Context) (map[string]bool, error) {
	rows, err := u.conn.Query(ctx, `SELECT '' FROM system.databases WHERE name = ?
		UNION ALL SELECT name FROM system.tables WHERE database = ?`, u.options.Database, u.options.Database)
	if err != nil {
		return nil, u.explain("list of tables", err)
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, u.explain("list of tables", err)
		}
		found[name] = true
	}
	if err := rows.Err(); err != nil {
		return nil, u.explain("list of tables", err)
	}
	return found, nil
}

func (u *upgrade) version(ctx context.Context) (version uint32, err error) {
	sql := "SELECT max(version) FROM " + quote(u.options.Database) + "." + versionTable
	if err := u.conn.QueryRow(ctx, sql).Scan(&version); err != nil {
		return 0, u.explain("schema version", err)
	}
	return version, nil
}

// run executes a file's statements and reports each.
func (u *upgrade) run(ctx context.Context, m migration) error {
	for i, statement := range m.statements {
		if err := u.conn.Exec(ctx, fillDatabase(statement, u.options.Database)); err != nil {
			return u.explain(fmt.Sprintf("%s: statement %d", m.file(), i+1), err)
		}
		u.report.Changes = append(u.report.Changes, describe(statement, u.options.Database, u.before))
	}
	return nil
}

// record notes that a file was applied. Two runs at once may both note it; the
// version is the highest number, and the table merges equal ones.
func (u *upgrade) record(ctx context.Context, m migration) error {
	sql := fmt.Sprintf("INSERT INTO %s.%s (version, name) SELECT %d, '%s'", quote(u.options.Database), versionTable, m.version, m.name)
	if err := u.conn.Exec(ctx, sql); err != nil {
		return u.explain(m.file()+": note that it was applied", err)
	}
	return nil
}

// retain changes a table's retention if it is not what it should be. The server then
// drops what is too old by itself, within minutes.
func (u *upgrade) retain(ctx context.Context, table string, want Retention) error {
	what := "retention of " + u.options.Database + "." + table
	var engine string
	err := u.conn.QueryRow(ctx, "SELECT engine_full FROM system.tables WHERE database = ? AND name = ?", u.options.Database, table).Scan(&engine)
	if err != nil {
		return u.explain(what, err)
	}
	got, text, known := retentionOf(engine)
	if known && got == want {
		return nil
	}
	file := "retention_days.sql"
	if want == 0 {
		file = "retention_forever.sql"
	}
	content, err := fs.ReadFile(u.files, file)
	if err != nil {
		return err
	}
	for _, statement := range split(string(content)) {
		sql := fill(statement, "{database}", quote(u.options.Database), "{table}", quote(table), "{days}", fmt.Sprint(int(want)))
		if err := u.conn.Exec(ctx, sql); err != nil {
			return u.explain(what, err)
		}
	}
	change := what + ": " + want.String()
	if u.before[table] {
		change = what + ": " + text + " -> " + want.String()
	}
	u.report.Changes = append(u.report.Changes, change)
	return nil
}

package schema

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// migration is one numbered file: the steps from the version before to its own.
type migration struct {
	version    uint32
	name       string   // "events" of 001_events.sql
	statements []string // with their placeholders
}

// file returns the name that the migration has in config/clickhouse.
func (m migration) file() string { return fmt.Sprintf("%03d_%s.sql", m.version, m.name) }

var migrationName = regexp.MustCompile(`^([0-9]{3})_([a-z0-9_]+)\.sql$`)

// load reads the numbered files of a folder in their order. A number that is
// missing or used twice is an error: it would be a version that no database can
// tell from another.
func load(dir fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(dir, ".") // sorted by name, hence by number
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, entry := range entries {
		match := migrationName.FindStringSubmatch(entry.Name())
		if match == nil {
			continue
		}
		number, err := strconv.Atoi(match[1])
		if err != nil || number != len(all) {
			return nil, fmt.Errorf("migration %s: want number %03d", entry.Name(), len(all))
		}
		text, err := fs.ReadFile(dir, entry.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{uint32(number), match[2], split(string(text))})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("migrations: want 000_*.sql and more, got none")
	}
	return all, nil
}

// split returns the statements of a file: without comments, each ended by a
// semicolon at a line's end. It knows no string literals, so neither "--" nor such
// a semicolon may stand in one; the files are ours, and a test runs them all.
func split(text string) []string {
	var statements []string
	var current strings.Builder
	end := func() {
		if statement := strings.TrimSpace(current.String()); statement != "" {
			statements = append(statements, statement)
		}
		current.Reset()
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		line = strings.TrimRightFunc(line, unicode.IsSpace)
		body, last := strings.CutSuffix(line, ";")
		if body != "" {
			current.WriteString(body + "\n")
		}
		if last {
			end()
		}
	}
	end()
	return statements
}

// fill puts values in the place of {names}; database and table arrive quoted.
func fill(statement string, values ...string) string {
	return strings.NewReplacer(values...).Replace(statement)
}

// fillDatabase fills in the database: quoted, and as a text with a table's name behind
// it, which is how joinGet takes a table.
func fillDatabase(statement, database string) string {
	return fill(tableText.ReplaceAllString(statement, "{text}.$1'"), "{text}", "'"+textEscapes.Replace(database), "{database}", quote(database))
}

var (
	tableText   = regexp.MustCompile(`\{database_text\.(\w+)\}`)
	textEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
)

// quote makes any text one identifier of ClickHouse's SQL.
func quote(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

var (
	createStatement  = regexp.MustCompile(`(?i)^CREATE\s+(?:OR\s+REPLACE\s+)?(DATABASE|TABLE|VIEW|MATERIALIZED\s+VIEW)\s+IF\s+NOT\s+EXISTS\s+\{database\}(?:\.(\w+))?`)
	replaceStatement = regexp.MustCompile(`(?i)^CREATE\s+OR\s+REPLACE\s+TABLE\s+\{database\}\.(\w+)`)
	columnStatement  = regexp.MustCompile(`(?i)^ALTER\s+TABLE\s+\{database\}\.(\w+)\s+ADD\s+COLUMN\s+IF\s+NOT\s+EXISTS\s+(\w+)`)
	checkStatement   = regexp.MustCompile(`(?i)^ALTER\s+TABLE\s+\{database\}\.(\w+)\s+ADD\s+CONSTRAINT\s+IF\s+NOT\s+EXISTS\s+(\w+)`)
	alterStatement   = regexp.MustCompile(`(?i)^ALTER\s+TABLE\s+\{database\}\.(\w+)`)
)

// describe says in words what a statement does, given the tables there were
// before it ("" stands for the database itself).
func describe(statement, database string, before map[string]bool) string {
	if m := createStatement.FindStringSubmatch(statement); m != nil {
		what, verb := database, "created"
		if m[2] != "" {
			what += "." + m[2]
		}
		if before[m[2]] {
			verb = "found"
		}
		return verb + " " + strings.ToLower(m[1]) + " " + what
	}
	if m := replaceStatement.FindStringSubmatch(statement); m != nil {
		return "replaced table " + database + "." + m[1]
	}
	if m := columnStatement.FindStringSubmatch(statement); m != nil {
		return "added column " + m[2] + " to " + database + "." + m[1]
	}
	if m := checkStatement.FindStringSubmatch(statement); m != nil {
		return "added constraint " + m[2] + " to " + database + "." + m[1]
	}
	if m := alterStatement.FindStringSubmatch(statement); m != nil {
		return "altered table " + database + "." + m[1]
	}
	first, _, _ := strings.Cut(statement, "\n")
	return "ran " + first
}

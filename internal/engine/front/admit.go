package front

import (
	"errors"
	"fmt"
	"strings"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/statement"
)

// admit asks the engine's own parser what a statement is before it runs: what writes a
// file with INTO OUTFILE, a feature of the command line client that the library has
// too, must not run at all, and a request that may only read must be one that reads.
func (b *Backend) admit(session *chdb.Conn, st statement.Statement, readOnly bool) error {
	if readOnly && (!reads[st.Kind] || st.Insert != nil) {
		return cannotChange(st.Kind)
	}
	if word := opensFiles(st); word != "" {
		return chdb.NewError(497, "ACCESS_DENIED", "default: Not enough privileges. The engine would open files of its own by "+word+", so it is refused")
	}
	if word := statement.Mentions(st.SQL, openDoors...); word != "" && !b.fenced {
		return chdb.NewError(497, "ACCESS_DENIED", "default: Not enough privileges. On this system the engine could reach other files by "+word+", so it is refused")
	}
	if st.Insert != nil {
		return nil // rows that come with it, and no clause behind them
	}
	found, err := session.Classify(st.SQL)
	if err != nil {
		return err
	}
	if readOnly && (found.Class != chdb.ReadOnly || found.Statements != 1) && found.Class != chdb.Unknown {
		return cannotChange(st.Kind)
	}
	if found.Statements == 1 && found.Class < chdb.Control {
		return nil
	}
	return b.admitRare(st)
}

// openDoors are the words that no grant covers: functions that read any file, an engine
// of tables and one of disks that write any.
var openDoors = []string{"file", "catboostEvaluate", "EmbeddedRocksDB", "disk"}

// opensFiles returns what in a statement opens files that the fence lets the engine open,
// its own: among those of its tables one more ends its next start, and a pipe of the
// process is waited for without end. sqlite makes its file before it asks for a grant.
func opensFiles(st statement.Statement) string {
	backup := st.Kind == "BACKUP" || st.Kind == "RESTORE" // TO File('name'), in a folder for it
	if word := opener(st.SQL); word != "" && !backup {
		return word
	}
	if statement.Mentions(st.SQL, "DICTIONARY") == "" {
		return ""
	}
	for _, text := range statement.Literals(st.SQL) { // the query of a source, and others
		if word := opener(text); word != "" {
			return word
		}
		if !strings.HasPrefix(text, "'") && strings.HasSuffix(text, "'") && len(text) > 2 && text[1] == '\'' {
			return text // in digits
		}
	}
	return ""
}

// opener returns what in a statement opens files, or runs other statements from text.
func opener(sql string) string {
	if word := statement.Calls(sql, "file", "sqlite", "catboostEvaluate", "disk"); word != "" {
		return word
	}
	return statement.Mentions(sql, "EmbeddedRocksDB", "SSD_CACHE", "COMPLEX_KEY_SSD_CACHE", "QueryRunner")
}

// reads are the statements that a GET may ask.
var reads = map[string]bool{"SELECT": true, "WITH": true, "SHOW": true, "DESCRIBE": true, "DESC": true, "EXPLAIN": true, "EXISTS": true}

func cannotChange(kind string) error {
	return chdb.NewError(164, "READONLY", "Cannot execute "+kind+" by GET, which only reads (SELECT, WITH, SHOW, DESCRIBE, EXPLAIN, EXISTS): use POST")
}

const format = "formatQuerySingleLine"

// admitRare looks at statements that act on the server or the session, at PARALLEL WITH,
// and at what does not parse, as the engine itself writes them down.
func (b *Backend) admitRare(st statement.Statement) error {
	c, err := b.engine.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exec(fmt.Sprintf("SET max_query_size = %d", 2*len(st.SQL)+1000)); err != nil {
		return err
	}
	text, err := c.Text("SELECT "+format+"("+quote(st.SQL)+")", "TSVRaw")
	var refused *chdb.Error
	if errors.As(err, &refused) {
		return withoutScope(refused)
	}
	if err != nil {
		return err
	}
	return plain(text)
}

// withoutScope drops our own question from the engine's words about a statement.
func withoutScope(e *chdb.Error) error {
	text, _, ours := strings.Cut(e.Text, ": In scope SELECT "+format)
	if i := strings.LastIndex(e.Text, ". ("); ours && i >= 0 {
		text += e.Text[i:]
	}
	return &chdb.Error{Code: e.Code, Text: text}
}

// plain refuses text that is more than one statement, or one with INTO OUTFILE: what is
// put together here from what clients send goes through it.
func plain(sql string) error {
	if p := statement.Parse(sql).Problem; p != nil {
		return chdb.NewError(p.Code, p.Name, p.Message)
	}
	return nil
}

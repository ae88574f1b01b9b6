// Package statement reads as much of a SQL statement as a server's front must know
// before the engine gets it: whether rows come with it, where they begin, in which
// format the answer is wanted, and whether it asks for something that the engine
// would do in our process and no grant forbids.
package statement

import (
	"regexp"
	"strconv"
	"strings"
)

// Statement is one parsed statement.
type Statement struct {
	// SQL is what to give to the engine: the text, but for a rewritten KILL QUERY.
	SQL string
	// Kind is the first keyword in upper case, "" for an empty statement.
	Kind string
	// Format is the name in a SELECT's FORMAT clause, "" without one; Bare is SQL
	// without that clause.
	Format string
	Bare   string
	// Insert is set if the rows of an INSERT come with the request.
	Insert *Insert
	// Problem is why the statement must not run; nil if it may.
	Problem *Problem
}

// Problem is a refusal in ClickHouse's terms.
type Problem struct {
	Code    int
	Name    string
	Message string
}

// Insert is an INSERT whose rows come with the request.
type Insert struct {
	// Head is the statement up to FORMAT or VALUES, without them.
	Head string
	// Table is the target as written, "db.t" or "FUNCTION f(..)".
	Table string
	// Columns is the column list; nil if there is none, or one with * in it.
	Columns []string
	// Format is the data's, "" if the statement names none.
	Format string
	// Data is where inline data begins in the statement's text.
	Data int
}

// Parse reads sql. It never fails: what it does not understand it leaves to the
// engine to refuse.
func Parse(sql string) Statement {
	st := Statement{SQL: sql, Bare: sql}
	s := &scanner{sql: sql}
	first, ok := s.next()
	for ok && first.mark('(') { // (SELECT ..) UNION ALL (..)
		first, ok = s.next()
	}
	if !ok {
		return st
	}
	st.Kind = strings.ToUpper(first.text)
	switch st.Kind {
	case "INSERT":
		if st.Insert = parseInsert(s); st.Insert != nil {
			return st
		}
	case "KILL":
		st.SQL = byComment(sql, *s)
		st.Bare = st.SQL
		s = &scanner{sql: st.SQL, pos: s.pos}
	}
	parseRest(&st, s)
	return st
}

// parseRest walks through the statement behind its beginning.
func parseRest(st *Statement, s *scanner) {
	var before token
	depth := 0
	for {
		t, ok := s.next()
		if !ok {
			return
		}
		switch {
		case t.mark('('):
			depth++
			if before.is("input") && st.Kind == "INSERT" {
				st.Problem = unsupported("table function input() in INSERT SELECT")
			}
		case t.mark(')'):
			depth--
		case t.mark(';'):
			if _, more := s.peek(); more {
				st.Problem = &Problem{Code: 62, Name: "SYNTAX_ERROR", Message: "Multi-statements are not allowed"}
			}
			return
		case t.is("OUTFILE") && before.is("INTO"), t.is("INFILE") && before.is("FROM"):
			st.Problem = unsupported(strings.ToUpper(before.text+" "+t.text) + ", a feature of the command line client,")
		case t.is("FORMAT") && depth <= 0:
			if name, ok := formatName(*s); ok {
				st.Format, st.Bare = name.text, st.SQL[:t.start]+st.SQL[name.end:]
			}
		}
		before = t
	}
}

// formatName returns the name in a FORMAT clause: it ends the statement, apart from
// SETTINGS. Anything else behind the word means that it was a name itself.
func formatName(s scanner) (name token, ok bool) {
	if name, ok = s.next(); !ok || name.kind != word {
		return token{}, false
	}
	after, more := s.next()
	return name, !more || after.mark(';') || after.is("SETTINGS") || after.is("INTO")
}

// Mentions returns the first of these names that sql spells as a word or an identifier,
// in any case; a quoted one with a letter in hexadecimal might spell any of them.
func Mentions(sql string, names ...string) string {
	s := &scanner{sql: sql}
	for t, ok := s.next(); ok; t, ok = s.next() {
		if name := t.among(names); name != "" {
			return name
		}
	}
	return ""
}

// Calls is like Mentions, of functions: names with an argument list, or that APPLY takes.
func Calls(sql string, names ...string) string {
	s := &scanner{sql: sql}
	var before token // the last but brackets
	for t, ok := s.next(); ok; t, ok = s.next() {
		if name := t.among(names); name != "" {
			if after, _ := s.peek(); after.mark('(') || before.is("APPLY") {
				return name
			}
		}
		if !t.mark('(') {
			before = t
		}
	}
	return ""
}

// Literals are the texts that sql holds in quotes, which may be statements themselves, as
// those of a dictionary's source are. One that is written in digits stays as it is.
func Literals(sql string) (texts []string) {
	s := &scanner{sql: sql}
	for t, ok := s.next(); ok; t, ok = s.next() {
		if t.kind == text {
			texts = append(texts, content(t.text))
		}
	}
	return texts
}

var hexadecimal = regexp.MustCompile(`\\x[0-9A-Fa-f]{2}`)

// content is what a literal says, but for escapes that spell no letter.
func content(literal string) string {
	if strings.HasPrefix(literal, "$") { // $tag$text$tag$
		_, rest, _ := strings.Cut(literal[1:], "$")
		return rest
	}
	if !strings.HasPrefix(literal, "'") {
		return literal
	}
	return hexadecimal.ReplaceAllStringFunc(unquote(literal), func(escape string) string {
		b, _ := strconv.ParseUint(escape[2:], 16, 8) // two such digits
		return string([]byte{byte(b)})
	})
}

// among returns which of the names t spells or might spell.
func (t token) among(names []string) string {
	if t.kind == quoted && strings.Contains(t.text, `\x`) {
		return t.text
	}
	for _, name := range names {
		if strings.EqualFold(t.name(), name) {
			return name
		}
	}
	return ""
}

func unsupported(what string) *Problem {
	return &Problem{Code: 48, Name: "NOT_IMPLEMENTED", Message: what + " is not supported by the clickstream engine"}
}

// byComment makes KILL QUERY find the ids that clients gave: the engine chooses
// query ids of its own, and a client's id travels in the setting log_comment.
func byComment(sql string, s scanner) string {
	const id = "if(Settings['log_comment'] = '', query_id, Settings['log_comment'])"
	var out strings.Builder
	from := 0
	for {
		t, ok := s.next()
		if !ok {
			break
		}
		if t.name() == "query_id" {
			out.WriteString(sql[from:t.start])
			out.WriteString(id)
			from = t.end
		}
	}
	return out.String() + sql[from:]
}

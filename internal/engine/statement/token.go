package statement

import "strings"

// token is one lexical element of SQL.
type token struct {
	kind       kind
	text       string
	start, end int
}

type kind byte

const (
	word        kind = 'w' // identifier or keyword
	text        kind = 's' // 'string' or $tag$heredoc$tag$
	quoted      kind = 'q' // `identifier` or "identifier"
	number      kind = 'n'
	punctuation kind = 'p' // one byte
)

// is reports whether t is the keyword w, in any case.
func (t token) is(w string) bool { return t.kind == word && strings.EqualFold(t.text, w) }

// mark reports whether t is the punctuation byte c.
func (t token) mark(c byte) bool { return t.kind == punctuation && t.text[0] == c }

// name returns the identifier that t spells, "" if it spells none.
func (t token) name() string {
	switch t.kind {
	case word:
		return t.text
	case quoted:
		return unquote(t.text)
	}
	return ""
}

// scanner cuts SQL into tokens and skips blanks and comments.
type scanner struct {
	sql string
	pos int
}

// next returns the next token; ok is false at the end.
func (s *scanner) next() (t token, ok bool) {
	if !s.skip() {
		return token{}, false
	}
	start, c := s.pos, s.sql[s.pos]
	k := punctuation
	switch {
	case c == '\'':
		k, s.pos = text, quotedEnd(s.sql, start)
	case c == '"' || c == '`':
		k, s.pos = quoted, quotedEnd(s.sql, start)
	case c == '$' && heredocEnd(s.sql, start) > 0:
		k, s.pos = text, heredocEnd(s.sql, start)
	case c >= '0' && c <= '9':
		k, s.pos = number, wordEnd(s.sql, start, ".")
	case isWord(c):
		k, s.pos = word, wordEnd(s.sql, start, "")
	default:
		s.pos++
	}
	return token{kind: k, text: s.sql[start:s.pos], start: start, end: s.pos}, true
}

// peek returns the next token without taking it.
func (s *scanner) peek() (token, bool) {
	pos := s.pos
	defer func() { s.pos = pos }()
	return s.next()
}

// skip moves to the next token; false if there is none.
func (s *scanner) skip() bool {
	for s.pos < len(s.sql) {
		rest := s.sql[s.pos:]
		switch c := rest[0]; {
		case c == ' ' || c >= '\t' && c <= '\r' || c == 0:
			s.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			s.pos += through(rest, 0, "\n")
		case strings.HasPrefix(rest, "/*"):
			s.pos += through(rest, 2, "*/")
		default:
			return true
		}
	}
	return false
}

// through returns the length of s up to and with the first end at or after from.
func through(s string, from int, end string) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

// quotedEnd returns the position after the literal that opens at start. A
// backslash escapes any byte, a doubled quote stands for itself.
func quotedEnd(sql string, start int) int {
	quote := sql[start]
	for i := start + 1; i < len(sql); i++ {
		switch {
		case sql[i] == '\\':
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1
		}
	}
	return len(sql)
}

// heredocEnd returns the position after the $tag$..$tag$ that opens at start, 0 if
// none does.
func heredocEnd(sql string, start int) int {
	open := wordEnd(sql, start+1, "")
	if open >= len(sql) || sql[open] != '$' {
		return 0
	}
	tag := sql[start : open+1]
	if end := strings.Index(sql[open+1:], tag); end >= 0 {
		return open + 1 + end + len(tag)
	}
	return 0
}

func wordEnd(sql string, start int, also string) int {
	i := start
	for i < len(sql) && (isWord(sql[i]) || strings.IndexByte(also, sql[i]) >= 0) {
		i++
	}
	return i
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// unquote returns what a quoted identifier spells.
func unquote(s string) string {
	quote := s[:1]
	s = strings.TrimSuffix(s[1:], quote)
	s = strings.ReplaceAll(s, quote+quote, quote)
	return strings.NewReplacer(`\\`, `\`, `\`+quote, quote).Replace(s)
}

// String quotes s as a string literal.
func String(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// Identifier quotes s as a name.
func Identifier(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

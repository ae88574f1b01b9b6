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
	text        kind = 's' // 'string', x'41' or $tag$heredoc$tag$
	quoted      kind = 'q' // `identifier`, "identifier" or “identifier”
	number      kind = 'n'
	punctuation kind = 'p' // everything else
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

// scanner cuts SQL into tokens and skips blanks and comments, exactly as ClickHouse's
// Lexer does (src/Parsers/Lexer.cpp): what it took for something else, it would let
// pass. FuzzTokens holds it against the engine.
type scanner struct {
	sql string
	pos int
	// dot is set if the token before is one: x.1.1 is not x and the number 1.1.
	dot bool
	// closes is set if the token before ends an operand, behind which a dot is no number.
	closes bool
	// wrong is set while a number is read that is none, such as 1.5a: it ends no operand.
	wrong bool
}

// next returns the next token; ok is false at the end.
func (s *scanner) next() (t token, ok bool) {
	if !s.skip() {
		return token{}, false
	}
	start := s.pos
	s.wrong = false
	k, end := s.read()
	s.pos = end
	t = token{kind: k, text: s.sql[start:end], start: start, end: end}
	s.dot = t.mark('.')
	s.closes = k == word || k == quoted || k == number && !s.wrong || t.mark(')') || t.mark(']')
	return t, true
}

// peek returns the next token without taking it.
func (s *scanner) peek() (token, bool) {
	before := *s
	defer func() { *s = before }()
	return s.next()
}

// read returns kind and end of the token at pos.
func (s *scanner) read() (k kind, end int) {
	rest := s.sql[s.pos:]
	switch c := rest[0]; {
	case c >= '0' && c <= '9':
		return s.digits()
	case c == '\'':
		return text, s.pos + literal(rest)
	case c == '"', c == '`':
		return quoted, s.pos + literal(rest)
	case c == '.':
		return s.point()
	case strings.HasPrefix(rest, "‘") && len(rest) > 5:
		return text, s.pos + through(rest, 3, "’")
	case strings.HasPrefix(rest, "“") && len(rest) > 5:
		return quoted, s.pos + through(rest, 3, "”")
	case c == '$':
		return s.dollar()
	case len(rest) > 2 && rest[1] == '\'' && strings.IndexByte("xXbB", c) >= 0:
		return text, s.pos + codes(rest)
	case isWord(c):
		return word, s.pos + span(rest, isName)
	}
	return punctuation, s.pos + operator(rest)
}

// operators are those of more than one byte.
var operators = []string{"<=>", "->", "==", "!=", "<=", "<>", ">=", "::", "||", "@@", `\G`, "−"}

func operator(rest string) int {
	for _, o := range operators {
		if strings.HasPrefix(rest, o) {
			return len(o)
		}
	}
	if strings.IndexByte("+-*/%=!<>?^:|@\\#,;()[]{}", rest[0]) >= 0 {
		return 1
	}
	return 1 + span(rest[1:], func(c byte) bool { return c&0xC0 == 0x80 }) // a character that means nothing
}

// skip moves to the next token; false if there is none.
func (s *scanner) skip() bool {
	for s.pos < len(s.sql) {
		n := blank(s.sql[s.pos:])
		if n == 0 {
			return true
		}
		s.pos += n
	}
	return false
}

// blanks are the white space of ClickHouse beyond ASCII: it takes SQL as word
// processors give it.
var blanks = []string{
	"\u0085", "\u00a0", "\u180e", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
	"\u2009", "\u200a", "\u200b", "\u200c", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff",
}

// blank returns the length of the blank or comment that rest begins with, 0 if it
// begins with a token.
func blank(rest string) int {
	switch c := rest[0]; {
	case c == ' ' || c >= '\t' && c <= '\r':
		return 1
	case c >= 0x80:
		for _, b := range blanks {
			if strings.HasPrefix(rest, b) {
				return len(b)
			}
		}
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
		return through(rest, 0, "\n")
	case strings.HasPrefix(rest, "/*"):
		return comment(rest)
	}
	return 0
}

// comment returns the length of a comment that may hold others.
func comment(rest string) int {
	depth := 1
	for i := 2; i+2 <= len(rest); {
		switch rest[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			i += 2
			if depth--; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(rest)
}

// through returns the length of s up to and with the first end at or after from.
func through(s string, from int, end string) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

// span returns the length of what rest begins with and ok accepts.
func span(rest string, ok func(byte) bool) int {
	i := 0
	for i < len(rest) && ok(rest[i]) {
		i++
	}
	return i
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isName(c byte) bool { return isWord(c) || c == '$' }

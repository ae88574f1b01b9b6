package statement

import "strings"

// parseInsert reads an INSERT behind its first keyword. It returns nil, and leaves
// s where it was, if the rows come from a SELECT.
func parseInsert(s *scanner) *Insert {
	start := s.pos
	in := &Insert{}
	in.Table = target(s)
	in.Columns = columns(s)
	for {
		t, ok := s.next()
		switch {
		case !ok:
			in.Head, in.Data = s.sql, len(s.sql)
			return in
		case t.mark(';'):
			in.Head, in.Data = s.sql[:t.start], t.end
			return in
		case t.is("VALUES"):
			in.Head, in.Format, in.Data = s.sql[:t.start], "Values", t.end
			return in
		case t.is("FORMAT"):
			name, _ := s.next()
			in.Head, in.Format, in.Data = s.sql[:t.start], name.text, dataStart(s.sql, max(t.end, name.end))
			return in
		case t.is("SELECT"), t.is("WITH"), t.is("WATCH"), t.is("FROM"), t.mark('('):
			s.pos = start
			return nil
		}
	}
}

// target reads "[INTO] [TABLE] db.t" or "[INTO] [TABLE] FUNCTION f(..)".
func target(s *scanner) string {
	t, ok := s.next()
	for ok && (t.is("INTO") || t.is("TABLE")) {
		t, ok = s.next()
	}
	if !ok {
		return ""
	}
	start := t.start
	if t.is("FUNCTION") {
		s.next()
		parentheses(s)
		return s.sql[start:s.pos]
	}
	for {
		dot, ok := s.peek()
		if !ok || !dot.mark('.') {
			return s.sql[start:s.pos]
		}
		s.next()
		s.next()
	}
}

// columns reads "(a, `b`)" if it is next: a list of names, not a subquery.
func columns(s *scanner) []string {
	open, ok := s.peek()
	if !ok || !open.mark('(') {
		return nil
	}
	before := *s
	s.next()
	if t, _ := s.peek(); t.is("SELECT") || t.is("WITH") || t.mark('(') {
		*s = before
		return nil
	}
	*s = before
	list := parentheses(s)
	var names []string
	inner := &scanner{sql: list}
	for {
		t, ok := inner.next()
		if !ok {
			return names
		}
		switch {
		case t.mark(','):
		case t.mark('.') && len(names) > 0: // a subcolumn of Nested: n.a
			sub, _ := inner.next()
			names[len(names)-1] += "." + sub.name()
		case t.name() == "":
			return nil
		default:
			names = append(names, t.name())
		}
	}
}

// parentheses takes "( .. )" and returns what is between them.
func parentheses(s *scanner) string {
	depth, start := 0, s.pos
	for {
		t, ok := s.next()
		switch {
		case !ok:
			return s.sql[min(start, len(s.sql)):]
		case t.mark('('):
			if depth == 0 {
				start = t.end
			}
			depth++
		case t.mark(')'):
			if depth--; depth <= 0 {
				return s.sql[min(start, t.start):t.start]
			}
		}
	}
}

// dataStart skips the blanks and the one line end between the format's name and
// the data: what follows is data to the last byte, blank lines too.
func dataStart(sql string, from int) int {
	rest := strings.TrimLeft(sql[from:], " \t\r")
	rest = strings.TrimPrefix(rest, ";")
	rest = strings.TrimPrefix(rest, "\r")
	rest = strings.TrimPrefix(rest, "\n")
	return len(sql) - len(rest)
}

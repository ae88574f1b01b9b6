package page

import (
	"errors"
	"strings"
)

// kind tells the parts of an SQL text that macros care for.
type kind int

const (
	other     kind = iota // one byte
	quoted                // a string, a quoted name or a $tag$ string: taken as it is
	comment               // -- to the end of the line, or /* */
	macroName             // $__name
)

// next cuts the first token off sql, which must not be empty.
func next(sql string) (string, kind) {
	switch {
	case strings.HasPrefix(sql, "--"):
		line, _, _ := strings.Cut(sql, "\n")
		return line, comment
	case strings.HasPrefix(sql, "/*"):
		if end := strings.Index(sql[2:], "*/"); end >= 0 {
			return sql[:end+4], comment
		}
		return sql, comment
	case strings.ContainsRune("'\"`", rune(sql[0])):
		return quote(sql), quoted
	case sql[0] == '$':
		return dollar(sql)
	}
	return sql[:1], other
}

// quote returns the quoted text that sql begins with; a backslash escapes.
func quote(sql string) string {
	for i := 1; i < len(sql); i++ {
		switch sql[i] {
		case '\\':
			i++
		case sql[0]: // a doubled quote begins the next token, which is quoted as well
			return sql[:i+1]
		}
	}
	return sql
}

// dollar tells a macro from a $tag$ string.
func dollar(sql string) (string, kind) {
	name := word(sql[1:])
	tag := sql[:1+len(name)]
	if rest := sql[len(tag):]; strings.HasPrefix(rest, "$") {
		tag += "$"
		if end := strings.Index(sql[len(tag):], tag); end >= 0 {
			return sql[:len(tag)+end+len(tag)], quoted
		}
		return sql[:1], other
	}
	if strings.HasPrefix(name, "__") {
		return tag, macroName
	}
	return sql[:1], other
}

// word returns the letters, digits and underscores that s begins with.
func word(s string) string {
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return s[:i]
		}
	}
	return s
}

var errUnclosed = errors.New("missing )")

// arguments reads the list in parentheses at sql[from:]: the trimmed arguments and
// the length of sql up to the closing parenthesis. No parenthesis: no arguments.
func arguments(sql string, from int) (args []string, n int, err error) {
	if !strings.HasPrefix(sql[from:], "(") {
		return nil, from, nil
	}
	depth, start := 0, from+1
	for i := from; i < len(sql); {
		token, kind := next(sql[i:])
		if kind == other {
			switch token {
			case "(", "[":
				depth++
			case ",":
				if depth == 1 {
					args = append(args, strings.TrimSpace(sql[start:i]))
					start = i + 1
				}
			case ")", "]":
				depth--
			}
			if depth == 0 {
				last := strings.TrimSpace(sql[start:i])
				if last != "" || len(args) > 0 {
					args = append(args, last)
				}
				return args, i + 1, nil
			}
		}
		i += len(token)
	}
	return nil, 0, errUnclosed
}

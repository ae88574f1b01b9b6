package statement

import "strings"

// literal returns the length of the 'string' or "identifier" that rest begins with. A
// backslash escapes any byte, a doubled quote stands for itself.
func literal(rest string) int {
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\':
			i++
		case rest[i] == quote && i+1 < len(rest) && rest[i+1] == quote:
			i++
		case rest[i] == quote:
			return i + 1
		}
	}
	return len(rest)
}

// codes returns the length of x'41' or b'01'; with anything else in it, it is not
// closed.
func codes(rest string) int {
	ok := isHex
	if rest[0] == 'b' || rest[0] == 'B' {
		ok = func(c byte) bool { return c == '0' || c == '1' }
	}
	end := 2 + span(rest[2:], ok)
	if end < len(rest) && rest[end] == '\'' {
		return end + 1
	}
	return len(rest)
}

// dollar reads $tag$..$tag$, a name with a dollar, or the sign alone.
func (s *scanner) dollar() (kind, int) {
	rest := s.sql[s.pos:]
	open := 1 + span(rest[1:], isWord)
	if open < len(rest) && rest[open] == '$' {
		tag := rest[:open+1]
		if i := strings.Index(rest[open+1:], tag); i >= 0 {
			return text, s.pos + open + 1 + i + len(tag)
		}
	}
	if len(rest) == 1 || !isWord(rest[1]) {
		return punctuation, s.pos + 1
	}
	return word, s.pos + span(rest, isName)
}

// digits reads a number, or a name that begins with one.
func (s *scanner) digits() (kind, int) {
	n := numeral{rest: s.sql[s.pos:], valid: isDigit}
	if s.dot {
		n.end = 1
		n.run(false)
	} else {
		n.whole()
	}
	tail := span(n.rest[n.end:], isWord)
	if tail == 0 {
		return number, s.pos + n.end
	}
	end := n.end + tail
	if s.wrong = span(n.rest[:end], isName) < end; s.wrong {
		return number, s.pos + end
	}
	return word, s.pos + end
}

// point reads a dot, or a number that begins with one.
func (s *scanner) point() (kind, int) {
	rest := s.sql[s.pos:]
	if s.pos > 0 && (s.closes || len(rest) < 2 || !isDigit(rest[1])) {
		return punctuation, s.pos + 1
	}
	n := numeral{rest: rest, end: 1, valid: isDigit}
	n.run(true)
	n.exponent('e')
	return number, s.pos + n.end
}

// numeral is a number that is being read.
type numeral struct {
	rest  string
	end   int
	valid func(byte) bool
}

// whole reads 1_000.5e-3, 0x1.8p3 or 0b101.
func (n *numeral) whole() {
	first, mark := false, byte('e')
	if len(n.rest) > 2 && n.rest[0] == '0' {
		switch c := n.rest[1] | 0x20; {
		case c == 'x' && isHex(n.rest[2]):
			n.valid, n.end, first, mark = isHex, 2, true, 'p'
		case c == 'b' && (n.rest[2] == '0' || n.rest[2] == '1'):
			n.end, first = 2, true
		}
	}
	if n.end == 0 {
		n.end = 1
	}
	n.run(first)
	if n.end < len(n.rest) && n.rest[n.end] == '.' {
		n.end++
		n.run(true)
	}
	n.exponent(mark)
}

// run reads digits; an underscore may stand between two of them, not first.
func (n *numeral) run(first bool) {
	for n.end < len(n.rest) {
		c := n.rest[n.end]
		separates := c == '_' && !first && n.end+1 < len(n.rest) && n.valid(n.rest[n.end+1])
		if !n.valid(c) && !separates {
			return
		}
		n.end++
		first = false
	}
}

// exponent reads e-3, or p-3 behind hexadecimal digits; it is decimal itself.
func (n *numeral) exponent(mark byte) {
	if n.end+1 >= len(n.rest) || n.rest[n.end]|0x20 != mark {
		return
	}
	n.end++
	if n.end+1 < len(n.rest) && (n.rest[n.end] == '-' || n.rest[n.end] == '+') {
		n.end++
	}
	n.valid = isDigit
	n.run(true)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// unquote returns what a quoted identifier spells.
func unquote(s string) string {
	if inner, ok := strings.CutPrefix(s, "“"); ok {
		return strings.TrimSuffix(inner, "”")
	}
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

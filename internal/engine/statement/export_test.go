package statement

import "fmt"

// Tokens lists what the scanner finds in sql: kind, start and end of each.
func Tokens(sql string) []string {
	var all []string
	s := &scanner{sql: sql}
	for t, ok := s.next(); ok; t, ok = s.next() {
		all = append(all, fmt.Sprintf("%c %d %d", t.kind, t.start, t.end))
	}
	return all
}

package event

import "strconv"

// Value is one field's value as it stands in the document: doc[Start:End], for a
// text without its quotes. It holds no pointer, so a slice of them costs the
// garbage collector nothing.
type Value struct {
	Kind       Kind
	Start, End int
}

// Scanner reads the top-level fields of a JSON object that a table wants, in one
// pass and without an allocation, and verifies the whole document on the way.
//
// Its verdict is that of encoding/json, and of two fields of one name the last
// counts, as there. It is stricter on purpose where encoding/json would store
// something else than was sent, or would work without bound:
//   - invalid UTF-8 and half a surrogate pair are errors (encoding/json puts U+FFFD);
//   - the document must be an object;
//   - brackets nest at most 256 deep (encoding/json: 10,000).
//
// A Scanner belongs to one goroutine.
type Scanner struct {
	names  []string
	index  map[string]int
	values []Value
	extra  int
	name   []byte // scratch for a name with escapes
	shape  shape
}

// NewScanner returns a scanner for fields of the given names, which are compared
// byte by byte, case included.
func NewScanner(names []string) *Scanner {
	s := &Scanner{names: names, index: make(map[string]int, len(names)), values: make([]Value, len(names))}
	s.shape.misses = forget - 1 // the first document is as good as any
	for i, name := range names {
		s.index[name] = i
	}
	return s
}

// SyntaxError says what is wrong with a document, and where, but not what is in it.
type SyntaxError struct {
	Offset int
	code   int
}

// Error returns for example "want a colon at byte 12".
func (e *SyntaxError) Error() string {
	return syntaxText[e.code] + " at byte " + strconv.Itoa(e.Offset)
}

// Scan reads doc; Value then gives its fields. The error is a *SyntaxError, and the
// values are meaningless after one.
func (s *Scanner) Scan(doc []byte) error { return s.ScanInto(doc, s.values) }

// ScanInto is Scan for a caller who keeps the values of several documents: values has
// one for each of the names.
func (s *Scanner) ScanInto(doc []byte, values []Value) error {
	clear(values)
	if s.shape.known && s.shape.match(doc, values) {
		s.extra, s.shape.misses = s.shape.extra, 0
		return nil
	}
	clear(values)
	s.extra = 0
	if f := s.scan(doc, values); f.code != errNone {
		return &SyntaxError{Offset: f.at, code: f.code}
	}
	if s.shape.misses++; s.shape.misses >= forget {
		s.learn(doc)
	}
	return nil
}

// Value returns the i-th of the names' values after Scan; its kind is Absent if the
// document has no such field.
func (s *Scanner) Value(i int) Value { return s.values[i] }

// Extra returns how many fields the document held that no name asked for.
func (s *Scanner) Extra() int { return s.extra }

func (s *Scanner) scan(doc []byte, values []Value) fault {
	i := skipSpace(doc, 0)
	if i >= len(doc) {
		return fault{errEnd, i}
	}
	if doc[i] != '{' {
		return fault{errObject, i}
	}
	if i = skipSpace(doc, i+1); i < len(doc) && doc[i] == '}' {
		return trailing(doc, i+1)
	}
	for guess := 0; ; guess++ {
		key, next, f := scanName(doc, i)
		if f.code != errNone {
			return f
		}
		val, next, f := scanValue(doc, next, 1)
		if f.code != errNone {
			return f
		}
		var slot int
		if slot, guess = s.slot(doc, key, guess); slot >= 0 {
			values[slot] = Value{val.kind, val.start, val.end}
		}
		var last bool
		if i, last, f = scanSeparator(doc, next, '}'); f.code != errNone {
			return f
		}
		if last {
			return trailing(doc, i)
		}
	}
}

// slot returns which of the names a field has, or -1, and what to try first for the
// field before the next. Producers write their fields in one order, so the name after
// the last one is tried before the map.
func (s *Scanner) slot(doc []byte, key token, guess int) (slot, next int) {
	name := doc[key.start:key.end]
	if key.kind == Escaped {
		s.name = AppendText(s.name[:0], name)
		name = s.name
	}
	if guess < len(s.names) && string(name) == s.names[guess] {
		return guess, guess
	}
	if i, ok := s.index[string(name)]; ok {
		return i, i
	}
	s.extra++
	return -1, guess - 1 // the next field may still be the one that was due
}

func trailing(doc []byte, i int) fault {
	if i = skipSpace(doc, i); i < len(doc) {
		return fault{errTrailing, i}
	}
	return fault{}
}

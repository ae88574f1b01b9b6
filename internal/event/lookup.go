package event

import "unicode/utf8"

// Lookup returns one top-level field of a JSON object: the text of a string with
// its escapes resolved, or the bytes of a number. Any other kind, a missing field
// and a document that is broken before the field give false; what follows the
// field is not looked at, and of two fields of one name the first is returned
// (Scanner, which stores rows, verifies the whole document). Without escapes the
// result is a part of doc: it costs no allocation and must not be modified.
func Lookup(doc []byte, field string) ([]byte, bool) {
	i := skipSpace(doc, 0)
	if i >= len(doc) || doc[i] != '{' {
		return nil, false
	}
	i = skipSpace(doc, i+1)
	for {
		key, next, f := scanName(doc, i)
		if f.code != errNone {
			return nil, false
		}
		val, next, f := scanValue(doc, next, 1)
		if f.code != errNone {
			return nil, false
		}
		if is(doc, key, field) {
			return content(doc, val)
		}
		var last bool
		if i, last, f = scanSeparator(doc, next, '}'); last || f.code != errNone {
			return nil, false
		}
	}
}

func content(doc []byte, t token) ([]byte, bool) {
	raw := doc[t.start:t.end:t.end]
	switch t.kind {
	case String, Number:
		return raw, true
	case Escaped:
		return AppendText(nil, raw), true
	}
	return nil, false
}

// is reports whether a name in the document, perhaps with escapes, is field.
func is(doc []byte, t token, field string) bool {
	if t.kind == Escaped {
		return string(AppendText(nil, doc[t.start:t.end])) == field
	}
	return string(doc[t.start:t.end]) == field
}

// AppendText appends the inside of a JSON string with its escapes resolved. The
// string must have been scanned; half an escape ends the text.
func AppendText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		n, code := escape(raw[i:])
		if code != errNone {
			break
		}
		dst = appendEscape(dst, raw[i:i+n])
		i += n
	}
	return dst
}

func appendEscape(dst, s []byte) []byte {
	switch c := s[1]; c {
	case 'b':
		return append(dst, '\b')
	case 'f':
		return append(dst, '\f')
	case 'n':
		return append(dst, '\n')
	case 'r':
		return append(dst, '\r')
	case 't':
		return append(dst, '\t')
	case 'u':
		r, _, _ := unicodeEscape(s)
		return utf8.AppendRune(dst, r)
	default:
		return append(dst, c)
	}
}

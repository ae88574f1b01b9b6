package event

// scanValue scans the value that begins at i, white space skipped; depth counts the
// brackets around it. next is the index of the byte after it.
func scanValue(doc []byte, i, depth int) (t token, next int, f fault) {
	if i >= len(doc) {
		return t, i, fault{errEnd, i}
	}
	switch c := doc[i]; {
	case c == '"':
		t, f = scanText(doc, i+1)
		return t, t.end + 1, f
	case c == '-' || c-'0' <= 9:
		t, f = scanNumber(doc, i)
		return t, t.end, f
	case depth >= maxDepth && (c == '{' || c == '['):
		return t, i, fault{errDepth, i}
	case c == '{':
		next, f = scanObject(doc, i+1, depth+1)
		return token{Object, i, next}, next, f
	case c == '[':
		next, f = scanArray(doc, i+1, depth+1)
		return token{Array, i, next}, next, f
	}
	return scanLiteral(doc, i)
}

func scanLiteral(doc []byte, i int) (t token, next int, f fault) {
	word, kind := "null", Null
	switch doc[i] {
	case 't':
		word, kind = "true", True
	case 'f':
		word, kind = "false", False
	}
	end := i + len(word)
	if end > len(doc) || string(doc[i:end]) != word {
		return t, i, fault{errValue, i}
	}
	return token{kind, i, end}, end, fault{}
}

// scanObject verifies the rest of an object, from behind its bracket.
func scanObject(doc []byte, i, depth int) (next int, f fault) {
	if i = skipSpace(doc, i); i < len(doc) && doc[i] == '}' {
		return i + 1, f
	}
	for {
		if _, i, f = scanName(doc, i); f.code != errNone {
			return i, f
		}
		if _, i, f = scanValue(doc, i, depth); f.code != errNone {
			return i, f
		}
		var last bool
		if i, last, f = scanSeparator(doc, i, '}'); last || f.code != errNone {
			return i, f
		}
	}
}

// scanArray verifies the rest of an array, from behind its bracket.
func scanArray(doc []byte, i, depth int) (next int, f fault) {
	if i = skipSpace(doc, i); i < len(doc) && doc[i] == ']' {
		return i + 1, f
	}
	for {
		if _, i, f = scanValue(doc, i, depth); f.code != errNone {
			return i, f
		}
		var last bool
		if i, last, f = scanSeparator(doc, i, ']'); last || f.code != errNone {
			return i, f
		}
	}
}

// scanName scans a field's name and the colon behind it; next is where its value begins.
func scanName(doc []byte, i int) (t token, next int, f fault) {
	if i >= len(doc) {
		return t, i, fault{errEnd, i}
	}
	if doc[i] != '"' {
		return t, i, fault{errKey, i}
	}
	if t, f = scanText(doc, i+1); f.code != errNone {
		return t, i, f
	}
	if i = skipSpace(doc, t.end+1); i >= len(doc) {
		return t, i, fault{errEnd, i}
	}
	if doc[i] != ':' {
		return t, i, fault{errColon, i}
	}
	return t, skipSpace(doc, i+1), f
}

// scanSeparator reads a comma (next is where the following value or name begins) or
// the closing bracket (next is the byte behind it, and last is true).
func scanSeparator(doc []byte, i int, closing byte) (next int, last bool, f fault) {
	if i = skipSpace(doc, i); i >= len(doc) {
		return i, false, fault{errEnd, i}
	}
	switch doc[i] {
	case closing:
		return i + 1, true, f
	case ',':
		return skipSpace(doc, i+1), false, f
	}
	return i, false, fault{errComma, i}
}

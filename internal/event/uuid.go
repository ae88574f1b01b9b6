package event

// ParseUUID reads the 36-character form of a UUID, in upper or lower case. The
// forms with braces, "urn:uuid:" or without hyphens are not taken: a producer that
// sends them is more likely wrong than creative.
func ParseUUID(s []byte) (id [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	bad := hexPairs(id[0:4], s[0:8]) | hexPairs(id[4:6], s[9:13]) | hexPairs(id[6:8], s[14:18]) |
		hexPairs(id[8:10], s[19:23]) | hexPairs(id[10:16], s[24:36])
	return id, bad >= 0
}

// hexPairs decodes len(dst) bytes; a negative result says that a digit was none.
func hexPairs(dst, s []byte) (bad int8) {
	s = s[:2*len(dst)]
	for i := range dst {
		hi, lo := hexDigit[s[2*i]], hexDigit[s[2*i+1]]
		bad |= hi | lo
		dst[i] = byte(hi)<<4 | byte(lo)
	}
	return bad
}

package event

import (
	"unicode/utf8"
)

// Append appends the event's JSON object to dst and returns the longer slice. It
// allocates only if dst has no room (MaxLen says how much is needed) and cannot
// fail: bytes of a text that are not UTF-8 become U+FFFD, as encoding/json has it.
// Years outside 0 to 9999 have no RFC 3339 form and panic.
//
// It is written out by hand because encoding/json and time.Format cost ten times
// as much (BenchmarkMarshalEvent), and this is most of what an event costs to make.
func Append(dst []byte, e Event) []byte {
	dst = appendFields(dst, e)
	dst = AppendTime(dst, e.UnixMilli)
	return append(dst, `"}`...)
}

// AppendStamped is Append with the time as AppendTime wrote it: events of the same
// millisecond may share its text, which is a tenth of what an event costs.
func AppendStamped(dst []byte, e Event, stamp []byte) []byte {
	dst = appendFields(dst, e)
	dst = append(dst, stamp...)
	return append(dst, `"}`...)
}

// appendFields appends all that stands before the time.
func appendFields(dst []byte, e Event) []byte {
	dst = append(dst, `{"event_id":"`...)
	dst = appendUUID(dst, e.ID)
	dst = append(dst, `","event_type":"`...)
	dst = append(dst, e.Type.String()...)
	dst = append(dst, `","user_id":"`...)
	dst = appendText(dst, e.UserID)
	dst = append(dst, `","product_id":"`...)
	dst = appendText(dst, e.ProductID)
	dst = append(dst, `","price":`...)
	dst = appendCents(dst, e.Price)
	return append(dst, `,"timestamp":"`...)
}

// MaxLen returns how many bytes Append needs at most for an event whose two ids
// are of these lengths and hold nothing that JSON must escape.
func MaxLen(userID, productID int) int {
	const (
		keysAndQuotes = len(`{"event_id":"","event_type":"","user_id":"","product_id":"","price":,"timestamp":""}`)
		uuid          = 36
		longestType   = len("remove_from_cart")
		longestPrice  = len("-92233720368547758.08")
		timestamp     = len("2006-01-02T15:04:05.000Z")
	)
	return keysAndQuotes + uuid + longestType + longestPrice + timestamp + userID + productID
}

const hexDigits = "0123456789abcdef"

// hexPair holds the two digits of each byte.
var hexPair = func() (pairs [256][2]byte) {
	for b := range pairs {
		pairs[b] = [2]byte{hexDigits[b>>4], hexDigits[b&15]}
	}
	return pairs
}()

// appendUUID writes the bytes to where they stand in the text, two digits a look.
func appendUUID(dst []byte, id [16]byte) []byte {
	text := [36]byte{8: '-', 13: '-', 18: '-', 23: '-'}
	for i, at := range [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		pair := &hexPair[id[i]]
		text[at], text[at+1] = pair[0], pair[1]
	}
	return append(dst, text[:]...)
}

// appendText appends s as the inside of a JSON string. Ids seldom hold anything
// to escape, so the common case is one look at each byte and one copy.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEscaped(append(dst, s[:i]...), s[i:])
		}
	}
	return append(dst, s...)
}

func appendEscaped(dst []byte, s string) []byte {
	for _, r := range s { // yields U+FFFD for each byte that is not UTF-8
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// appendCents appends an amount with its two decimals: 5 cents are 0.05.
func appendCents(dst []byte, cents int64) []byte {
	rest := uint64(cents)
	if cents < 0 {
		dst = append(dst, '-')
		rest = -rest // also right for the smallest int64, which has no positive twin
	}
	var text [20]byte
	at := len(text) - 2
	put2(text[at:], rest%100)
	rest /= 100
	at--
	text[at] = '.'
	for {
		at--
		text[at] = byte('0' + rest%10)
		if rest /= 10; rest == 0 {
			return append(dst, text[at:]...)
		}
	}
}

// put2 writes n, which is below 100, as two digits.
func put2(dst []byte, n uint64) {
	dst[0], dst[1] = byte('0'+n/10), byte('0'+n%10)
}

const (
	millisPerDay = 24 * 60 * 60 * 1000
	// The first and the last moment with a four-digit year, in Unix milliseconds.
	minMilli = -62167219200000
	maxMilli = 253402300799999
)

// AppendTime appends the moment as RFC 3339 in UTC with milliseconds, e.g.
// 2026-01-15T14:30:00.123Z. It panics for a year outside 0 to 9999: the clock that
// gave it is broken.
func AppendTime(dst []byte, unixMilli int64) []byte {
	if unixMilli < minMilli || unixMilli > maxMilli {
		panic("event: time has no four-digit year")
	}
	sinceYear0 := uint64(unixMilli - minMilli) // never negative, so that / and % are plain
	year, month, day := civil(sinceYear0 / millisPerDay)
	milli := sinceYear0 % millisPerDay
	text := [24]byte{4: '-', 7: '-', 10: 'T', 13: ':', 16: ':', 19: '.', 23: 'Z'}
	put2(text[0:], year/100)
	put2(text[2:], year%100)
	put2(text[5:], month)
	put2(text[8:], day)
	put2(text[11:], milli/3600000)
	put2(text[14:], milli/60000%60)
	put2(text[17:], milli/1000%60)
	text[20] = byte('0' + milli/100%10)
	put2(text[21:], milli%100)
	return append(dst, text[:]...)
}

// civil returns the date that lies so many days after 1 January of year 0 in the
// Gregorian calendar. It counts years from March, which puts the leap day last:
// then month lengths follow 153 days per five months, and a year of an era of 400
// years is found by division alone.
func civil(days uint64) (year, month, day uint64) {
	const daysPerEra = 146097
	days += daysPerEra - 60 // from 1 March of the year -400: 60 days before 1 March of year 0
	era, ofEra := days/daysPerEra, days%daysPerEra
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	fromMarch := (5*ofYear + 2) / 153
	day = ofYear - (153*fromMarch+2)/5 + 1
	year, month = era*400+yearOfEra-400, fromMarch+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

package replay

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"clickstream/internal/event"
)

// The names of layouts that are not Go's.
const (
	layoutRFC3339 = "rfc3339"
	layoutUTC     = "utc"
	layoutUnix    = "unix"
	layoutMillis  = "unix_ms"
)

// clock reads times in the layouts of a mapping, the first that fits.
type clock struct {
	layouts  []string
	calendar event.Calendar
}

// checkLayout refuses what time.Parse would misread in silence: names of zones, which
// it takes for UTC unless it knows them, and a text that names no date.
func checkLayout(layout string) error {
	switch layout {
	case layoutRFC3339, layoutUTC, layoutUnix, layoutMillis:
		return nil
	}
	if strings.Contains(layout, "MST") {
		return fmt.Errorf("want a zone as an offset (Z07:00) or none, which is UTC, got a name (MST): EST is many zones; %q reads 2006-01-02 15:04:05 UTC", layoutUTC)
	}
	sample := time.Date(2019, 11, 23, 17, 34, 56, 0, time.UTC)
	if got, err := time.Parse(layout, sample.Format(layout)); err != nil || got.Format(time.DateOnly) != "2019-11-23" {
		return fmt.Errorf("want rfc3339, utc, unix, unix_ms or a layout of Go with year, month and day, as 02/01/2006 15:04:05, got %q", layout)
	}
	return nil
}

// parse returns Unix milliseconds of a time in the years 0 to 9999.
func (c *clock) parse(s []byte) (milli int64, ok bool) {
	for _, layout := range c.layouts {
		var t event.Instant
		switch layout {
		case layoutRFC3339:
			t, ok = c.calendar.ParseTime(s)
		case layoutUTC:
			t, ok = c.parseUTC(s)
		case layoutUnix, layoutMillis:
			milli, ok = parseUnix(s, layout == layoutUnix)
			if ok {
				return milli, true
			}
		default:
			var at time.Time
			at, err := time.Parse(layout, string(s))
			t, ok = event.Instant{Seconds: at.Unix(), Nanos: int32(at.Nanosecond())}, err == nil
		}
		if ok {
			milli = t.Seconds*1000 + int64(t.Nanos)/1e6
			return milli, inYears(milli)
		}
	}
	return 0, false
}

// parseUTC reads "2019-10-01 00:00:00", with a fraction and " UTC" or "Z" behind it or
// without.
func (c *clock) parseUTC(s []byte) (event.Instant, bool) {
	var text [40]byte
	n := len(s)
	switch {
	case n > 4 && string(s[n-4:]) == " UTC":
		n -= 4
	case n > 1 && s[n-1] == 'Z':
		n--
	}
	if n < len("2006-01-02 15:04:05") || n >= len(text) || s[10] != ' ' && s[10] != 'T' {
		return event.Instant{}, false
	}
	copy(text[:], s[:n])
	text[10], text[n] = 'T', 'Z'
	return c.calendar.ParseTime(text[:n+1])
}

// parseUnix reads seconds, with a fraction or without, or whole milliseconds.
func parseUnix(s []byte, seconds bool) (milli int64, ok bool) {
	if !seconds {
		milli, err := strconv.ParseInt(string(s), 10, 64)
		return milli, err == nil && inYears(milli)
	}
	if !isNumber(s) {
		return 0, false
	}
	d, ok := event.ParseDecimal(s, 3)
	milli, fits := d.Int64()
	return milli, ok && fits && inYears(milli)
}

// The years 0 to 9999, which RFC 3339 can write.
var (
	firstMilli = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastMilli  = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()
)

func inYears(milli int64) bool { return milli >= firstMilli && milli <= lastMilli }

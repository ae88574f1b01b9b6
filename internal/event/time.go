package event

// Instant is a moment with its full precision: seconds since 1970 and the
// nanoseconds after them, which are never negative.
type Instant struct {
	Seconds int64
	Nanos   int32
}

// ParseTime reads RFC 3339 with a zone, "2026-01-15T14:30:00.123Z" or with an
// offset: years 0000 to 9999, capital T and Z, two digits everywhere, a full stop
// before the fraction, no leap second; digits past the ninth of the fraction are
// cut off. A time without zone is no moment and is refused.
func ParseTime(s []byte) (Instant, bool) {
	var c Calendar
	return c.ParseTime(s)
}

// Calendar remembers the last date that it was asked for: most events are of one day.
// Its zero value is ready; it belongs to one goroutine.
type Calendar struct {
	date  [10]byte
	days  int64
	known bool
}

// ParseTime is the function of that name.
func (c *Calendar) ParseTime(s []byte) (t Instant, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return t, false
	}
	days, ok := c.parseDate(s[:10])
	hour, minute, second := two(s[11:]), two(s[14:]), two(s[17:])
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	nanos, zone, ok := fraction(s[19:])
	if !ok {
		return t, false
	}
	offset, ok := parseZone(zone)
	t.Seconds = days*86400 + int64(hour)*3600 + int64(minute)*60 + int64(second) - offset
	t.Nanos = nanos
	return t, ok
}

func (c *Calendar) parseDate(s []byte) (days int64, ok bool) {
	if c.known && string(s) == string(c.date[:]) {
		return c.days, true
	}
	if days, ok = ParseDate(s); ok {
		c.days, c.known = days, true
		copy(c.date[:], s)
	}
	return days, ok
}

// ParseDate reads "2026-01-15" as days since 1970-01-01.
func ParseDate(s []byte) (days int64, ok bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	century, year, month, day := two(s), two(s[2:]), two(s[5:]), two(s[8:])
	if century > 99 || year > 99 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	y := century*100 + year
	if day > monthDays[month] || month == 2 && day == 29 && (y%4 != 0 || y%100 == 0 && y%400 != 0) {
		return 0, false
	}
	return daysFromCivil(int64(y), int64(month), int64(day)), true
}

var monthDays = [13]uint{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// daysFromCivil counts the days from 1970-01-01 by the proleptic Gregorian
// calendar: years begin in March, so that the leap day is a year's last.
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = -1 // only January and February of year 0
	}
	yearOfEra := y - era*400
	dayOfYear := (153*(m-3)+2)/5 + d - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

// two reads two digits; anything else gives more than 99.
func two(s []byte) uint {
	hi, lo := uint(s[0]-'0'), uint(s[1]-'0')
	if hi > 9 || lo > 9 {
		return 100
	}
	return hi*10 + lo
}

// fraction reads ".123", if there is one, and returns what follows it.
func fraction(s []byte) (nanos int32, rest []byte, ok bool) {
	if s[0] != '.' {
		return 0, s, true
	}
	i := 1
	for scale := int32(100_000_000); i < len(s) && s[i]-'0' <= 9; i++ {
		nanos += int32(s[i]-'0') * scale
		scale /= 10
	}
	return nanos, s[i:], i > 1
}

// parseZone reads "Z" or "+05:30" as seconds east of Greenwich.
func parseZone(s []byte) (seconds int64, ok bool) {
	if len(s) == 1 && s[0] == 'Z' {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, minutes := two(s[1:]), two(s[4:])
	seconds = int64(hours)*3600 + int64(minutes)*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, hours <= 23 && minutes <= 59
}

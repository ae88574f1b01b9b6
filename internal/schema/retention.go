package schema

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Retention is how many days a row stays after it was stored; 0 is for ever.
type Retention int

// maxRetention is a century: above it a slip of the keyboard is likelier than a
// wish, and DateTime64 ends in 2299.
const maxRetention = 36500

var retentionText = regexp.MustCompile(`^([0-9]{1,9})d$`)

// ParseRetention reads "90d", or "0" for ever. Days only: rows go by whole days
// (config/clickhouse/001_events.sql says why).
func ParseRetention(text string) (Retention, error) {
	text = strings.TrimSpace(text)
	if text == "0" {
		return 0, nil
	}
	m := retentionText.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("want a number of days such as 90d, or 0 to keep rows for ever, got %q", text)
	}
	days, err := strconv.Atoi(m[1])
	if err != nil || days > maxRetention {
		return 0, fmt.Errorf("want at most %dd, or 0 to keep rows for ever, got %q", maxRetention, text)
	}
	return Retention(days), nil
}

// String returns "90 days" or "for ever".
func (r Retention) String() string {
	switch r {
	case 0:
		return "for ever"
	case 1:
		return "1 day"
	}
	return strconv.Itoa(int(r)) + " days"
}

var (
	ttlClause = regexp.MustCompile(`(?s) TTL (.+?)(?: SETTINGS .*)?$`)
	ttlOurs   = regexp.MustCompile(`^inserted_at \+ toIntervalDay\(([0-9]+)\)$`)
)

// retentionOf reads a table's retention out of system.tables.engine_full. For a TTL
// that is not of our making known is false, and text is that TTL.
func retentionOf(engine string) (r Retention, text string, known bool) {
	clause := ttlClause.FindStringSubmatch(engine)
	if clause == nil {
		return 0, Retention(0).String(), true
	}
	ours := ttlOurs.FindStringSubmatch(clause[1])
	if ours == nil {
		return 0, "TTL " + clause[1], false
	}
	days, err := strconv.Atoi(ours[1])
	if err != nil {
		return 0, "TTL " + clause[1], false
	}
	return Retention(days), Retention(days).String(), true
}

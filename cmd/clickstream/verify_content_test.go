package main

import (
	"testing"

	"clickstream/internal/verify"
)

// TestVerifyComparesContent: a row that says something else than its record is a fault,
// whatever the counts say.
func TestVerifyComparesContent(t *testing.T) {
	odd := `{"event_id":"00000000-0000-4000-8000-0000000fffff","event_type":"purchase","user_id":"uAé\u4e16","product_id":"a\/b","price":12.345650,"timestamp":"2026-01-15T14:30:00.123+02:00","more":1}`
	s := verifiable(t, odd, "no event")
	if r := s.verifies(verify.Counts{Records: 62, Rows: 61, DeadLetters: 1}); r.Compared != 61 {
		t.Errorf("records compared\n got %d\nwant 61", r.Compared)
	}
	const update = "ALTER TABLE clickstream.events UPDATE "
	s.exec(update + "price = 0 WHERE _partition = 0 AND _offset IN (7, 8) SETTINGS mutations_sync = 1")
	code, r := s.verify()
	if code != exitFailure || r.Exact || r.Total.Altered != 2 {
		t.Errorf("price changed\n got exit code %d, %+v\nwant %d, 2 altered", code, r.Total, exitFailure)
	}
	f := finding(t, r, "altered", verify.Range{First: 7, Last: 8})
	if got := s.number("SELECT count() FROM (" + f.SQL + ")"); got != 2 {
		t.Errorf("rows that the SQL of the finding shows\n got %d\nwant 2:\n%s", got, f.SQL)
	}
	s.exec(update + "event_id = generateUUIDv4(), price = 0 WHERE 1 SETTINGS mutations_sync = 1")
	for _, args := range [][]string{nil, {"--content"}} {
		if code, r := s.verify(args...); code != exitFailure || r.Total.Altered != 61 || r.Compared != 61 {
			t.Errorf("ids changed, %q\n got exit code %d, %+v, %d compared\nwant %d, 61 altered", args, code, r.Total, r.Compared, exitFailure)
		}
	}
	s.verifies(verify.Counts{Records: 62, Rows: 61, DeadLetters: 1}, "--no-content")
}

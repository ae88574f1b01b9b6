package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// refusedOf writes a batch and returns which of its messages are refused: their offsets.
func refusedOf(t testing.TB, o *output, batch service.MessageBatch) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var offsets []string
	for line := range strings.Lines(failures(batch, func() error { return o.WriteBatch(ctx, batch) })) {
		var i int
		if _, err := fmt.Sscan(line, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		offsets = append(offsets, fmt.Sprint(event.CoordinateOf(batch[i]).Offset))
	}
	return strings.Join(offsets, " ")
}

// TestRowOrLetter: records that are stored and come again under limits that refuse them
// are rows and stay so; those that are not stored are refused.
func TestRowOrLetter(t *testing.T) {
	f, yaml := guarded(t)
	lax := connected(t, yaml)
	mustWrite(t, lax, visits(assignment(0, nil), 1, 0, 10), visits(assignment(1, nil), 1, 5, 8))
	mustWrite(t, lax, visits(assignment(0, nil), 2, 3, 5)) // offsets given out again: under another stream
	if err := lax.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	strict := connected(t, yaml+"\nlimits: {price: {max: 0.5}}")
	batch := append(visits(assignment(0, nil), 1, 0, 12), visits(assignment(1, nil), 1, 0, 6)...)
	batch = append(batch, visits(assignment(0, nil), 2, 2, 5)...)
	if got, want := refusedOf(t, strict, batch), "10 11 0 1 2 3 4 2"; got != want {
		t.Errorf("refused offsets\n got %s\nwant %s", got, want)
	}
	f.wantRows(t, 15)
}

// TestViewRefusesARow: an insert whose row is stored, and that fails in a view behind the
// table: the row is no dead letter.
func TestViewRefusesARow(t *testing.T) {
	f, yaml := guarded(t)
	f.query(t, "CREATE TABLE numbers (n UInt8) ENGINE = MergeTree ORDER BY n")
	f.query(t, "CREATE MATERIALIZED VIEW into_numbers TO numbers AS SELECT toUInt8(user_id) AS n FROM events")
	o := connected(t, yaml)
	a := assignment(0, nil)
	mustWrite(t, o, visits(a, 1, 0, 1), visits(a, 1, 1, 2), visits(a, 1, 2, 8))
	f.wantRows(t, 8)
	f.query(t, "DROP VIEW into_numbers")
	mustWrite(t, o, visits(a, 1, 0, 10))
	f.wantRows(t, 10)
}

// TestProcessorFailsOnAStoredRecord: a record that is stored is no dead letter because a
// processor fails on it the next time.
func TestProcessorFailsOnAStoredRecord(t *testing.T) {
	f, yaml := guarded(t)
	o := connected(t, yaml)
	mustWrite(t, o, visits(assignment(0, nil), 1, 0, 5))
	batch := visits(assignment(0, nil), 1, 0, 8)
	for _, m := range batch {
		m.SetError(errors.New("a processor's trouble"))
	}
	if got, want := refusedOf(t, o, batch), "5 6 7"; got != want {
		t.Errorf("refused offsets\n got %s\nwant %s", got, want)
	}
	f.wantRows(t, 5)
}

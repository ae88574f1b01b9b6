package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/shopspring/decimal"
)

// totals are the sums over the data folder, or, with servers that are not ours,
// since the start.
type totals struct {
	produced int64 // end offsets of the topic
	stored   int64 // rows of events
	letters  int64 // rows of dead_letters, once per coordinate
	lag      int64 // records that the consumer's group has not committed
	types    []typeCount
	revenue  decimal.Decimal
}

// typeCount is how many rows one event type has.
type typeCount struct {
	name string
	rows int64
}

// minus returns t less what was there before.
func (t totals) minus(before totals) totals {
	earlier := map[string]int64{}
	for _, c := range before.types {
		earlier[c.name] = c.rows
	}
	types := make([]typeCount, len(t.types))
	for i, c := range t.types {
		types[i] = typeCount{c.name, c.rows - earlier[c.name]}
	}
	return totals{
		produced: t.produced - before.produced, stored: t.stored - before.stored, letters: t.letters - before.letters,
		lag: t.lag, types: types, revenue: t.revenue.Sub(before.revenue),
	}
}

// summary is what a demo says at its end.
type summary struct {
	all totals
	// before is what was there at the start; the difference is this run's.
	before    totals
	freshness time.Duration // p99 of this run
	up        time.Duration
	firstRow  time.Duration // from the start to the first row; 0: there was none
	repeated  int64         // rows and letters beyond one for each record
	lost      int64         // records that have neither
	verified  int64         // records that are exactly one row or one dead letter; 0: not all are, or nobody looked
	// unsent: a pipeline stopped with data that it could not deliver.
	unsent bool
	table  string // database.events
	topic  string
}

// row is one line of the printed summary; all is empty for what has no history.
type row struct{ name, run, all, note string }

func (s summary) rows() []row {
	run := s.all.minus(s.before)
	rows := []row{
		{"produced", humanize.Comma(run.produced), humanize.Comma(s.all.produced), "topic " + s.topic},
		{"stored", humanize.Comma(run.stored), humanize.Comma(s.all.stored), "table " + s.table},
	}
	for i, c := range s.all.types {
		rows = append(rows, row{"  " + c.name, humanize.Comma(run.types[i].rows), humanize.Comma(c.rows), ""})
	}
	return append(rows,
		row{"dead letters", humanize.Comma(run.letters), humanize.Comma(s.all.letters), ""},
		row{"lag", humanize.Comma(s.all.lag), "", "events in Kafka that the consumer has not confirmed"},
		row{"revenue", money(run.revenue), money(s.all.revenue), "sum of purchases"},
		row{"freshness p99", seconds(s.freshness), "", "event made to row inserted"},
	)
}

// String is what is printed: this run's numbers and, where the data folder held
// events before, those of all runs.
func (s summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ran %s", seconds(s.up))
	if s.firstRow > 0 {
		fmt.Fprintf(&b, ", first row after %s", seconds(s.firstRow))
	}
	history := s.before.produced != 0 || s.before.stored != 0
	rows := s.rows()
	if history {
		rows = append([]row{{"", "this run", "all runs", ""}}, rows...)
	}
	for _, r := range rows {
		line := fmt.Sprintf("  %-18s %14s", r.name, r.run)
		if history {
			line += fmt.Sprintf(" %14s", r.all)
		}
		b.WriteString("\n" + strings.TrimRight(line+"   "+r.note, " "))
	}
	if s.verified > 0 {
		fmt.Fprintf(&b, "\nverified: every one of %s records is exactly one row or one dead letter", humanize.Comma(s.verified))
	}
	return b.String() + "\n"
}

// verdict holds the sums against each other: every event that Kafka holds is a
// row or a dead letter, once. It returns the exit code and, if that is not zero,
// what is wrong and what follows.
func (s summary) verdict() (code int, text string) {
	difference := s.all.produced - s.all.stored - s.all.letters
	switch {
	case s.all.lag > 0 && difference > 0:
		return exitUnsent, fmt.Sprintf("%s of %s events are not stored yet; they stay in Kafka and are stored by the next run",
			humanize.Comma(difference), humanize.Comma(s.all.produced))
	case difference != 0 || s.repeated != 0 || s.lost != 0:
		what := "sums differ"
		if difference == 0 {
			what = "sums agree, records do not"
		}
		return exitFailure, fmt.Sprintf("%s: produced %s, stored %s, dead letters %s: %s", what,
			humanize.Comma(s.all.produced), humanize.Comma(s.all.stored), humanize.Comma(s.all.letters), s.explain(difference))
	case s.unsent:
		return exitUnsent, "a pipeline stopped before it had delivered all it held (see its log); every event in Kafka is stored"
	}
	return 0, ""
}

// explain says what a difference is made of: events without a row, rows beyond
// the first of their event, or both.
func (s summary) explain(difference int64) string {
	missing := difference + s.repeated
	if s.lost > 0 {
		missing = s.lost
	}
	var parts []string
	if missing > 0 {
		parts = append(parts, humanize.Comma(missing)+" events have no row")
	}
	if s.repeated > 0 {
		parts = append(parts, humanize.Comma(s.repeated)+" rows repeat a record (was exactly_once off?)")
	}
	if missing < 0 {
		parts = append(parts, humanize.Comma(-missing)+" rows belong to no event of the topic")
	}
	return strings.Join(parts, ", ")
}

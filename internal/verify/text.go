package verify

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
)

func comma(n int64) string { return humanize.Comma(n) }

// column is one column of the table for people.
type column struct {
	name  string
	value func(Counts) int64
	// rare columns are left out where they are zero everywhere.
	rare bool
}

var columns = []column{
	{"records", func(c Counts) int64 { return c.Records }, false},
	{"rows", func(c Counts) int64 { return c.Rows }, false},
	{"dead letters", func(c Counts) int64 { return c.DeadLetters }, false},
	{"filtered", func(c Counts) int64 { return c.Filtered }, true},
	{"missing", func(c Counts) int64 { return c.Missing }, false},
	{"duplicated", func(c Counts) int64 { return c.Duplicated }, false},
	{"gaps", func(c Counts) int64 { return c.Gaps }, false},
	{"holes in the log", func(c Counts) int64 { return c.Holes }, true},
	{"reused offsets", func(c Counts) int64 { return c.Reused }, true},
	{"other content", func(c Counts) int64 { return c.Altered }, true},
	{"lag", func(c Counts) int64 { return c.Lag }, false},
}

// WriteText prints the report for people; the last line is the verdict.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "topic %s, group %s, table %s, offsets committed at %s UTC\n\n", r.Topic, r.Group, r.Table, r.At.Format("2006-01-02 15:04:05"))
	r.writeTable(&b)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\npartition %d: %s %s\n  %s\n", f.Partition, f.title(), f.where(), f.SQL)
	}
	if notes := r.asides(); len(notes) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(notes, "\n"))
	}
	fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeTable(b *strings.Builder) {
	var shown []column
	for _, c := range columns {
		if !c.rare || c.value(r.Total) > 0 {
			shown = append(shown, c)
		}
	}
	line := func(name string, cell func(column) string) {
		fmt.Fprintf(b, "  %9s", name)
		for _, c := range shown {
			fmt.Fprintf(b, "  %*s", max(len(c.name), len(comma(c.value(r.Total))), 7), cell(c))
		}
		b.WriteByte('\n')
	}
	line("partition", func(c column) string { return c.name })
	for _, p := range r.Partitions {
		line(fmt.Sprint(p.Partition), func(c column) string { return comma(c.value(p.Counts)) })
	}
	line("all", func(c column) string { return comma(c.value(r.Total)) })
}

// title is what is wrong, for people.
func (f Finding) title() string {
	switch f.Kind {
	case missing:
		return "no row and no dead letter for"
	case duplicated:
		return "more than one row or dead letter for"
	case altered:
		return "a row that says something else than its record for"
	}
	return "no row and no dead letter, and deleted from the log:"
}

func (f Finding) where() string {
	list := make([]string, len(f.First))
	for i, r := range f.First {
		list[i] = r.String()
	}
	text := "offset " + strings.Join(list, ", ")
	if f.Offsets > 1 {
		text = "offsets " + strings.Join(list, ", ")
	}
	if more := f.Ranges - len(f.First); more > 0 {
		text += fmt.Sprintf(" and %s more, %s offsets in all", comma(int64(more)), comma(f.Offsets))
	}
	return text
}

// asides are the lines between the table and the verdict that are no faults.
func (r *Report) asides() []string {
	var lines []string
	if n := r.RepeatedEventIDs; n != nil {
		line := "repeated event ids: " + comma(*n)
		if *n > 0 {
			line += " (a producer sent an event twice, or a broker that was killed appended it twice: each record is one row)"
		}
		lines = append(lines, line)
	}
	if r.Compared > 0 {
		lines = append(lines, fmt.Sprintf("content compared: %s records (event id and a checksum of the fields)", comma(r.Compared)))
	}
	if r.Total.Unread > 0 {
		lines = append(lines, fmt.Sprintf("%s of the missing offsets were not looked for in the log, for lack of time: some may be no records", comma(r.Total.Unread)))
	}
	return append(lines, r.Notes...)
}

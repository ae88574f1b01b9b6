package deadletters

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// listedLetter is a letter as `list --json` prints it.
type listedLetter struct {
	Letter   string    `json:"letter"`
	Written  time.Time `json:"written"`
	State    State     `json:"state"`
	Reason   string    `json:"reason"`
	Field    string    `json:"field"`
	Origin   string    `json:"origin,omitempty"`
	Attempt  int       `json:"attempt"`
	Size     int       `json:"size"`
	Whole    int64     `json:"whole,omitempty"`
	Stranger string    `json:"stranger,omitempty"`
}

// WriteList prints a line for each letter, and never what is in it.
func WriteList(w io.Writer, entries []*Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LETTER\tWRITTEN\tSTATE\tREASON\tFIELD\tORIGIN\tBYTES\tNOTE")
	for _, e := range entries {
		origin := e.Root.Place()
		if e.Stranger != "" {
			origin = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", e.ID(), e.Time.Format(originTime), e.State,
			e.ReasonName(), dash(Plain(e.Field)), origin, e.Size, dash(e.note()))
	}
	return t.Flush()
}

// note is what is unusual about a letter.
func (e *Entry) note() string {
	switch {
	case e.Stranger != "":
		return Plain(e.Stranger)
	case e.Whole > 0:
		return fmt.Sprintf("truncated, the record had %d bytes", e.Whole)
	case e.Attempt > 1:
		return fmt.Sprintf("attempt %d", e.Attempt)
	}
	return ""
}

// WriteListJSON prints a JSON object in a line for each letter.
func WriteListJSON(w io.Writer, entries []*Entry) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, e := range entries {
		l := listedLetter{
			Letter: e.ID(), Written: e.Time, State: e.State, Reason: e.ReasonName(), Field: e.Field, Origin: e.Root.String(),
			Attempt: e.Attempt, Size: e.Size, Whole: e.Whole, Stranger: e.Stranger,
		}
		if e.Stranger != "" {
			l.Origin = ""
		}
		if err := encoder.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

// WriteText prints the counts for people.
func (s *Stats) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REASON\tFIELD\tLETTERS\tOPEN\tREPLAYED\tDROPPED\tFIRST\tLAST")
	sum := Count{}
	for _, c := range s.Counts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Reason, dash(Plain(c.Field)), comma(c.Letters), comma(c.Open),
			comma(c.Replayed), comma(c.Dropped), c.First.Format(originTime), c.Last.Format(originTime))
		sum.Letters, sum.Open, sum.Again = sum.Letters+c.Letters, sum.Open+c.Open, sum.Again+c.Again
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s letters, %s open, %s replayed and refused again; topic %s holds %s records\n",
		comma(sum.Letters), comma(sum.Open), comma(sum.Again), s.Topic, comma(s.Records))
	if c := s.Table; c != nil {
		fmt.Fprintf(&b, "topic and table dead_letters, by origin: %s in both, %s in the topic only, %s in the table only\n",
			comma(c.Both), comma(c.TopicOnly), comma(c.TableOnly))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteText prints the groups, and why letters would come back, for people.
func (f *Forecast) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	known := func(n int) string {
		if !f.Judged {
			return "?"
		}
		return comma(n)
	}
	if len(f.Groups) > 0 {
		fmt.Fprintln(t, "\nREASON\tFIELD\tPARTITION\tLETTERS\tSTORED\tREFUSED")
	}
	for _, g := range f.Groups {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", g.Reason, dash(Plain(g.Field)), g.Partition, comma(g.Letters), known(g.Stored), known(g.Refused))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(f.Refusals) > 0 {
		fmt.Fprintln(t, "\nREFUSED FOR\tFIELD\tLETTERS\tFIRST\tWHY")
	}
	for _, again := range f.Refusals {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", again.Reason, dash(Plain(again.Field)), comma(again.Letters), again.First, Plain(again.Message))
	}
	return t.Flush()
}

// ReasonsText lists counts by reason: "2 bad_time, 1 wrong_type".
func ReasonsText(counts map[string]int) string {
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, comma(counts[name])+" "+name)
	}
	return strings.Join(parts, ", ")
}

func comma(n int) string { return humanize.Comma(int64(n)) }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

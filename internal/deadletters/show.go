package deadletters

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
)

// Fetch reads one letter of a topic.
func Fetch(ctx context.Context, client *kgo.Client, topic string, partition int32, offset int64) (*kgo.Record, error) {
	log, err := openLog(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	id := fmt.Sprintf("%d:%d", partition, offset)
	if int(partition) >= len(log.ranges) {
		return nil, fmt.Errorf("kafka: topic %q: letter %s: it has partitions 0 to %d", topic, id, len(log.ranges)-1)
	}
	if r := log.ranges[partition]; offset < r.start || offset >= r.end {
		return nil, fmt.Errorf("kafka: topic %q: letter %s: the partition holds offsets from %d to %d; `clickstream dlq list` shows what there is", topic, id, r.start, r.end-1)
	}
	records, _, err := log.fetch(ctx, partition, offset)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 || records[0].Offset != offset {
		return nil, fmt.Errorf("kafka: topic %q: letter %s: no record there; `clickstream dlq list` shows what there is", topic, id)
	}
	return records[0], nil
}

// span is a part of the bytes that is at fault, and what is wrong with it.
type span struct {
	from, to int
	what     string
}

// fault finds what the letter's reason is about.
func fault(l *Letter, doc []byte) (s span, ok bool) {
	scanner := event.NewScanner([]string{l.Field})
	err := scanner.Scan(doc)
	var syntax *event.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return span{syntax.Offset, syntax.Offset + 1, syntax.Error()}, true
	case l.Field == "":
		return s, false
	}
	v := scanner.Value(0)
	if v.Kind == event.Absent {
		return s, false
	}
	return span{v.Start, max(v.End, v.Start+1), l.Field + " is " + v.Kind.String()}, true
}

const (
	// around is how many bytes are shown on each side of what is at fault.
	around = 600
	// lineWidth is how many characters of a letter are printed in one line.
	lineWidth = 100
)

// Show prints a letter for people: headers, and the bytes with what is at fault
// marked. Nothing of it reaches the terminal as a control character.
func Show(l *Letter, record *kgo.Record) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-10s %s\n", name, Plain(value)) }
	line("letter", l.ID())
	line("written", l.Time.Format(originTime))
	if l.Stranger != "" {
		line("stranger", l.Stranger)
	} else {
		line("origin", l.Origin.Place()+" of "+l.Origin.time().Format(originTime))
	}
	for _, h := range []struct{ name, value string }{
		{"reason", string(l.Reason)}, {"field", l.Field}, {"message", l.Message}, {"version", l.Version}, {"key", string(record.Key)},
	} {
		if h.value != "" {
			line(h.name, h.value)
		}
	}
	line("bytes", strconv.Itoa(l.Size))
	if l.Whole > 0 {
		line("truncated", fmt.Sprintf("the record had %d bytes, the last %d are missing", l.Whole, l.Whole-int64(l.Size)))
	}
	b.WriteByte('\n')
	drawing{out: &b, doc: record.Value}.draw(fault(l, record.Value))
	return b.String()
}

// Plain escapes what a terminal would not print as it is.
func Plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		text, n := cell([]byte(s[i:min(len(s), i+utf8.UTFMax)]))
		b.WriteString(text)
		i += n
	}
	return b.String()
}

// cell is how the first character of raw is shown, and how many bytes it takes.
func cell(raw []byte) (text string, n int) {
	r, n := utf8.DecodeRune(raw)
	switch {
	case r == utf8.RuneError && n == 1:
		return fmt.Sprintf(`\x%02x`, raw[0]), 1
	case strconv.IsPrint(r):
		return string(r), n
	}
	quoted := strconv.QuoteRune(r) // '\n', '\u202e'
	return quoted[1 : len(quoted)-1], n
}

// drawing prints bytes in lines, with marks below what is at fault.
type drawing struct {
	out *strings.Builder
	doc []byte
}

func (d drawing) draw(s span, ok bool) {
	from, to := 0, min(len(d.doc), 2*around)
	if ok {
		from, to = max(0, s.from-around), min(len(d.doc), max(s.to, s.from)+around)
		if s.to-s.from > 2*around { // a huge value: its begin tells enough
			to = min(len(d.doc), s.from+2*around)
		}
	}
	for from > 0 && !utf8.RuneStart(d.doc[from]) {
		from--
	}
	if from > 0 {
		fmt.Fprintf(d.out, "... %d bytes before\n", from)
	}
	row := drawnRow{out: d.out}
	for i := from; i < to; {
		text, n := cell(d.doc[i:])
		row.add(text, ok && i < s.to && i+n > s.from)
		i += n
	}
	if ok && s.from >= len(d.doc) { // the end came too early
		row.add(" ", true)
	}
	row.end()
	if to < len(d.doc) {
		fmt.Fprintf(d.out, "... %d bytes after\n", len(d.doc)-to)
	}
	if ok {
		fmt.Fprintf(d.out, "%s\n", Plain(s.what))
	}
}

// drawnRow is one line of text and the marks below it.
type drawnRow struct {
	out         *strings.Builder
	text, marks strings.Builder
	width       int
	marked      bool
}

func (r *drawnRow) add(text string, marked bool) {
	n := utf8.RuneCountInString(text)
	if r.width+n > lineWidth {
		r.end()
	}
	r.text.WriteString(text)
	mark := " "
	if marked {
		mark, r.marked = "^", true
	}
	r.marks.WriteString(strings.Repeat(mark, n))
	r.width += n
}

func (r *drawnRow) end() {
	if r.width == 0 {
		return
	}
	fmt.Fprintf(r.out, "  %s\n", strings.TrimRight(r.text.String(), " "))
	if r.marked {
		fmt.Fprintf(r.out, "  %s\n", strings.TrimRight(r.marks.String(), " "))
	}
	r.text.Reset()
	r.marks.Reset()
	r.width, r.marked = 0, false
}

package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Range is the offsets First to Last, both included.
type Range struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Count is how many offsets it has.
func (r Range) Count() int64 { return r.Last - r.First + 1 }

// String is plain digits, to be copied into a query.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.FormatInt(r.First, 10)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Counts are the sums of a partition or of all. Always
//
//	Records + Duplicated + Reused = Rows + DeadLetters + Missing + Gaps
type Counts struct {
	// Records is how many records are due: those below the committed offset.
	Records int64 `json:"records"`
	// Rows and DeadLetters are what is stored of them; a letter counts once.
	Rows        int64 `json:"rows"`
	DeadLetters int64 `json:"dead_letters"`
	// Filtered is how many have neither because a processor dropped them: the consumer
	// has written down which.
	Filtered int64 `json:"filtered"`
	// Missing is how many records of the log have neither.
	Missing int64 `json:"missing"`
	// Duplicated is how many rows and letters there are beyond one for each record.
	Duplicated int64 `json:"duplicated"`
	// Gaps is how many offsets the log has deleted that have neither.
	Gaps int64 `json:"gaps"`
	// Altered is how many records have a row that says something else than they.
	Altered int64 `json:"altered"`
	// Lag is how many offsets the group has not committed: nothing is said of them.
	Lag int64 `json:"lag"`
	// Holes is how many offsets are no records: transaction marks, compaction.
	Holes int64 `json:"holes"`
	// Reused is how many rows have the offset of another one, because the broker lost
	// its log and gave the offset out again: both are records.
	Reused int64 `json:"reused_offsets"`
	// Unread is how many of Missing may be holes: there was no time to look.
	Unread int64 `json:"unread"`
}

// Partition is what was found of one partition: offsets of [From, To) are due.
type Partition struct {
	Partition int32 `json:"partition"`
	LogStart  int64 `json:"log_start"`
	LogEnd    int64 `json:"log_end"`
	Committed int64 `json:"committed"` // -1: nothing
	From      int64 `json:"from"`
	To        int64 `json:"to"`
	Counts
}

// The kinds of a Finding.
const (
	missing    = "missing"
	duplicated = "duplicated"
	gap        = "gap"
	altered    = "altered"
)

// A Finding says where a partition's faults are.
type Finding struct {
	Kind      string `json:"kind"`
	Partition int32  `json:"partition"`
	// Offsets is how many are at fault, in that many Ranges; the first ten are listed.
	Offsets int64   `json:"offsets"`
	Ranges  int     `json:"ranges"`
	First   []Range `json:"first"`
	// SQL shows more.
	SQL string `json:"sql"`
	// last is the range that may go on.
	last Range
}

// listed is how many ranges of a finding are listed.
const listedRanges = 10

// add takes offsets in ascending order; neighbours become one range.
func (f *Finding) add(r Range) {
	f.Offsets += r.Count()
	if f.Ranges > 0 && f.last.Last+1 == r.First {
		f.last.Last = r.Last
		if f.Ranges <= listedRanges {
			f.First[f.Ranges-1].Last = r.Last
		}
		return
	}
	f.last = r
	if f.Ranges++; f.Ranges <= listedRanges {
		f.First = append(f.First, r)
	}
}

// Report is the answer.
type Report struct {
	Topic string `json:"topic"`
	Group string `json:"group"`
	Table string `json:"table"`
	// Stream is the topic's identity in the column _stream; as text, since it is
	// larger than what JSON's numbers hold.
	Stream string `json:"stream"`
	// At is when the committed offsets were read.
	At         time.Time   `json:"at"`
	Exact      bool        `json:"exact"`
	Total      Counts      `json:"total"`
	Partitions []Partition `json:"partitions"`
	// RepeatedEventIDs is how many rows hold an event that another row holds too: the
	// broker has both records. Nil: not counted.
	RepeatedEventIDs *int64 `json:"repeated_event_ids"`
	// Compared is how many records' content was held against the rows'.
	Compared int64     `json:"content_compared"`
	Findings []Finding `json:"findings"`
	Notes    []string  `json:"notes"`

	repeatedRows int64 // rows beyond one for each coordinate
}

func (r *Report) note(text string) { r.Notes = append(r.Notes, text) }

// sumUp adds the partitions up and decides.
func (r *Report) sumUp() {
	t := &r.Total
	for _, p := range r.Partitions {
		t.Records += p.Records
		t.Rows += p.Rows
		t.DeadLetters += p.DeadLetters
		t.Filtered += p.Filtered
		t.Missing += p.Missing
		t.Duplicated += p.Duplicated
		t.Gaps += p.Gaps
		t.Altered += p.Altered
		t.Lag += p.Lag
		t.Holes += p.Holes
		t.Reused += p.Reused
		t.Unread += p.Unread
	}
	r.Exact = t.Missing+t.Duplicated+t.Gaps+t.Altered == 0 && len(r.unread()) == 0
	r.Findings = slices.Clip(append([]Finding{}, r.Findings...)) // in JSON a list, never null
	r.Notes = slices.Clip(append([]string{}, r.Notes...))
}

// unread are the partitions with records of which the group has committed nothing: a lag
// is late, but of these nobody may know at all.
func (r *Report) unread() (unread []string) {
	for _, p := range r.Partitions {
		if p.Committed < 0 && p.Lag > 0 {
			unread = append(unread, strconv.Itoa(int(p.Partition)))
		}
	}
	return unread
}

func (r *Report) unreadRecords() (n int64) {
	for _, p := range r.Partitions {
		if p.Committed < 0 {
			n += p.Lag
		}
	}
	return n
}

// what is what each record is.
func (c Counts) what() string {
	if c.Filtered > 0 {
		return fmt.Sprintf("one row or one dead letter, or was dropped by a processor (%s were)", comma(c.Filtered))
	}
	return "one row or one dead letter"
}

// Verdict is the answer in one sentence.
func (r *Report) Verdict() string {
	t := r.Total
	upTo := fmt.Sprintf("(up to the offsets committed at %s)", r.At.Format("15:04:05"))
	switch {
	case r.Exact && t.Records == 0:
		return "there is no record to verify " + upTo
	case r.Exact:
		return fmt.Sprintf("every one of %s records is exactly %s %s", comma(t.Records), t.what(), upTo)
	case t.Missing+t.Duplicated+t.Gaps == 0 && t.Altered > 0:
		return fmt.Sprintf("NOT every row says what its record says: of %s records %s differ, of %s compared %s; a processor that changes events on their way does that too: `--no-content` leaves it out", comma(t.Records), comma(t.Altered), comma(r.Compared), upTo)
	case t.Missing+t.Duplicated+t.Gaps == 0 && t.Records > 0:
		return fmt.Sprintf("NOT every partition is read: group %q has committed nothing of partition %s, %s records; of the others every one of %s records is exactly %s %s",
			r.Group, strings.Join(r.unread(), ", "), comma(r.unreadRecords()), comma(t.Records), t.what(), upTo)
	case t.Missing+t.Duplicated+t.Gaps == 0:
		return fmt.Sprintf("nothing is proven: group %q has committed nothing of the %s records in topic %q; check --group, or start the consumer", r.Group, comma(t.Lag), r.Topic)
	}
	return fmt.Sprintf("NOT every record is exactly one row or one dead letter: of %s records %s missing, %s duplicated, %s gaps %s",
		comma(t.Records), comma(t.Missing), comma(t.Duplicated), comma(t.Gaps), upTo)
}

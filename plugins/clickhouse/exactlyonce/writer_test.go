package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

var (
	errCut = errors.New("connection was cut")
	p0, p1 = Partition{stream, 0}, Partition{stream, 1}
)

// ledger is a Table that answers at once and writes down what it was asked. Its
// fence is real; what goes wrong is planned by the test.
type ledger struct {
	rows  map[Partition]map[int64]ID
	fence map[Partition]uint64
	calls []string
	// fail holds errors for the next calls of a kind; loses is how many rows of the
	// failing insert are visible all the same.
	fail  map[string][]error
	loses int
}

func newLedger() *ledger {
	return &ledger{rows: make(map[Partition]map[int64]ID), fence: make(map[Partition]uint64), fail: make(map[string][]error)}
}

func (l *ledger) note(kind, format string, args ...any) error {
	l.calls = append(l.calls, strings.TrimSpace(kind+" "+fmt.Sprintf(format, args...)))
	if planned := l.fail[kind]; len(planned) > 0 {
		l.fail[kind] = planned[1:]
		return planned[0]
	}
	return nil
}

// told returns the calls since the last time, a line.
func (l *ledger) told() string {
	told := strings.Join(l.calls, "; ")
	l.calls = nil
	return told
}

func short(claims []Claim) string {
	var all []string
	for _, c := range claims {
		all = append(all, fmt.Sprintf("%d=%d", c.Number, c.Owner))
	}
	return strings.Join(all, " ")
}

func (l *ledger) Fence(_ context.Context, claims []Claim) error {
	if err := l.note("fence", "%s", short(claims)); err != nil {
		return err
	}
	for _, c := range claims {
		l.fence[c.Partition] = c.Owner
	}
	return nil
}

func (l *ledger) Drain(_ context.Context, claims []Claim) error {
	return l.note("drain", "%s", short(claims))
}

func (l *ledger) Tops(_ context.Context, partitions []Partition) (map[Partition]int64, error) {
	tops := make(map[Partition]int64)
	for _, p := range partitions {
		if offsets := slices.Collect(maps.Keys(l.rows[p])); len(offsets) > 0 {
			tops[p] = slices.Max(offsets)
		}
	}
	return tops, l.note("tops", "")
}

func (l *ledger) Read(_ context.Context, ranges []Range, seen func(Partition, int64, ID)) error {
	for _, r := range ranges {
		if err := l.note("read", "%d:%d-%d", r.Number, r.First, r.Last); err != nil {
			return err
		}
		for o, id := range l.rows[r.Partition] {
			if o >= r.First && o <= r.Last {
				seen(r.Partition, o, id)
			}
		}
	}
	return nil
}

func (l *ledger) Insert(_ context.Context, pieces []Piece) error {
	var all []string
	stale := false
	for _, p := range pieces {
		line := fmt.Sprintf("%d=%d:", p.Number, p.Owner)
		for _, r := range p.Rows {
			line += fmt.Sprintf(" %d", r.Offset)
		}
		all = append(all, line)
		stale = stale || p.Owner != l.fence[p.Partition]
	}
	err := l.note("insert", "%s", strings.Join(all, ", "))
	if stale {
		return fmt.Errorf("code 469: %w", ErrStale)
	}
	for _, p := range pieces {
		l.add(p, err)
	}
	return err
}

func (l *ledger) add(p Piece, err error) {
	for i, r := range p.Rows {
		if err != nil && i >= l.loses {
			return
		}
		if l.rows[p.Partition] == nil {
			l.rows[p.Partition] = make(map[int64]ID)
		}
		if _, ok := l.rows[p.Partition][r.Offset]; ok {
			panic(fmt.Sprintf("offset %d twice", r.Offset))
		}
		l.rows[p.Partition][r.Offset] = r.ID
	}
}

// stay is an Assignment whose group says what the test wants.
type stay struct {
	answers []error
	asked   int
}

func (s *stay) Confirm(context.Context) error {
	s.asked++
	if len(s.answers) == 0 {
		return nil
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer
}

// writer returns a Writer over l that draws 1, 2, 3 ...
func writer(l *ledger) *Writer {
	owner := uint64(0)
	return &Writer{Table: l, Draw: func() uint64 { owner++; return owner }}
}

func part(p Partition, a Assignment, offsets ...int64) *Part {
	part := &Part{Partition: p, Assignment: a}
	for _, o := range offsets {
		part.Rows = append(part.Rows, Row{Offset: o, ID: ID{byte(o), 1}})
	}
	return part
}

// write runs one Write, and expects the calls that it makes and its outcomes.
func write(t *testing.T, w *Writer, want string, outcome Outcome, parts ...*Part) {
	t.Helper()
	err := w.Write(t.Context(), parts)
	if got := w.Table.(*ledger).told(); got != want {
		t.Errorf("calls\n got %s\nwant %s", got, want)
	}
	for _, p := range parts {
		if p.Outcome != outcome {
			t.Errorf("outcome of partition %d: got %d, want %d (%v)", p.Number, p.Outcome, outcome, err)
		}
	}
	if pending := outcome == Pending; pending != (err != nil) {
		t.Errorf("error of Write: got %v, with outcome %d", err, outcome)
	}
}

func TestSteadyStateReadsNothing(t *testing.T) {
	a := new(stay)
	w := writer(newLedger())
	write(t, w, "fence 0=1 1=2; drain 0=1 1=2; tops; insert 0=1: 0 1, 1=2: 7", Written, part(p0, a, 0, 1), part(p1, a, 7))
	write(t, w, "insert 0=1: 2 3", Written, part(p0, a, 2, 3))
	write(t, w, "insert 0=1: 6 7", Written, part(p0, a, 6, 7))                             // swapped with
	write(t, w, "insert 0=1: 4 5", Written, part(p0, a, 4, 5))                             // this one
	write(t, w, "insert 0=1: 9 11", Written, part(p0, a, 9, 11))                           // dead letters between
	write(t, w, "read 0:6-7; insert 0=1: 12", Written, part(p0, a, 6, 12, 7))              // delivered again
	write(t, w, "insert 0=1: 13; read 0:13-13", Written, part(p0, a, 13), part(p0, a, 13)) // twice in one block
	write(t, w, "insert 0=1: 14 15", Written, part(p0, a, 15, 14, 15, 14))
}

func TestUnknownOutcome(t *testing.T) {
	l, a := newLedger(), new(stay)
	w := writer(l)
	l.fail["insert"], l.loses = []error{errCut}, 1
	rows := part(p0, a, 0, 1, 2)
	write(t, w, "fence 0=1; drain 0=1; tops; insert 0=1: 0 1 2", Pending, rows)
	write(t, w, "fence 0=2; drain 0=2; tops; read 0:0-0; insert 0=2: 1 2", Written, rows)
	if a.asked != 0 {
		t.Errorf("commits asked for: got %d, want 0: nobody else has fenced", a.asked)
	}
}

// Each step fails once; what is done is not done again, but an id whose write was
// not acknowledged is never seen again.
func TestRecoveryResumes(t *testing.T) {
	l, a := newLedger(), new(stay)
	l.rows[p0] = map[int64]ID{1: {1, 1}}
	for _, kind := range []string{"fence", "drain", "tops", "read"} {
		l.fail[kind] = []error{errCut}
	}
	w := writer(l)
	rows := part(p0, a, 0, 1, 2)
	write(t, w, "fence 0=1", Pending, rows)
	write(t, w, "fence 0=2; drain 0=2", Pending, rows)
	write(t, w, "drain 0=2; tops", Pending, rows)
	write(t, w, "tops; read 0:0-1", Pending, rows)
	write(t, w, "read 0:0-1; insert 0=2: 0 2", Written, rows)
}

// A read that fails holds up its own partition only.
func TestPartitionsFailAlone(t *testing.T) {
	l, a := newLedger(), new(stay)
	l.rows[p0] = map[int64]ID{5: {5, 1}}
	l.fail["read"] = []error{errCut, errCut}
	w := writer(l)
	first, second := part(p0, a, 5, 6), part(p1, a, 0)
	if err := w.Write(t.Context(), []*Part{first, second}); !errors.Is(err, errCut) {
		t.Errorf("error: got %v, want %v", err, errCut)
	}
	if first.Outcome != Pending || second.Outcome != Written {
		t.Errorf("outcomes: got %d and %d, want %d and %d", first.Outcome, second.Outcome, Pending, Written)
	}
	l.told()
	write(t, w, "read 0:5-5", Pending, first)
	write(t, w, "read 0:5-5; insert 0=1: 6", Written, first)
}

func TestRefusedInsertIsSplit(t *testing.T) {
	l, a, b := newLedger(), new(stay), &stay{answers: []error{errCut, nil}}
	w := writer(l)
	write(t, w, "fence 0=1 1=2; drain 0=1 1=2; tops; insert 0=1: 0, 1=2: 0", Written, part(p0, a, 0), part(p1, b, 0))
	l.fence[p1] = 99
	first, second := part(p0, a, 1), part(p1, b, 1)
	if err := w.Write(t.Context(), []*Part{first, second}); !errors.Is(err, ErrStale) {
		t.Errorf("error: got %v, want %v", err, ErrStale)
	}
	if got, want := l.told(), "insert 0=1: 1, 1=2: 1; insert 0=1: 1; insert 1=2: 1"; got != want {
		t.Errorf("calls\n got %s\nwant %s", got, want)
	}
	if first.Outcome != Written || second.Outcome != Pending {
		t.Errorf("outcomes: got %d and %d, want %d and %d", first.Outcome, second.Outcome, Written, Pending)
	}
	write(t, w, "", Pending, second) // the group does not answer: no fence
	write(t, w, "fence 1=3; drain 1=3; tops; insert 1=3: 1", Written, second)
	if a.asked != 0 || b.asked != 2 {
		t.Errorf("commits asked for: got %d and %d, want 0 and 2", a.asked, b.asked)
	}
}

func TestRevokedIsDropped(t *testing.T) {
	l, a := newLedger(), &stay{answers: []error{fmt.Errorf("illegal generation: %w", ErrRevoked)}}
	w := writer(l)
	write(t, w, "fence 0=1; drain 0=1; tops; insert 0=1: 0", Written, part(p0, a, 0))
	l.fence[p0] = 99
	rows := part(p0, a, 1)
	write(t, w, "insert 0=1: 1", Pending, rows)
	write(t, w, "", Dropped, rows)
	write(t, w, "", Dropped, part(p0, a, 2)) // was queued behind it
	if a.asked != 1 {
		t.Errorf("commits asked for: got %d, want 1", a.asked)
	}
	l.rows[p0][1] = ID{1, 1} // by the one who took it
	write(t, w, "fence 0=2; drain 0=2; tops; read 0:1-1; insert 0=2: 2", Written, part(p0, new(stay), 1, 2))
}

func TestWithoutGroup(t *testing.T) {
	l := newLedger()
	w := writer(l)
	write(t, w, "fence 0=1; drain 0=1; tops", Written, part(p0, nil))
	l.fence[p0] = 99
	rows := part(p0, nil, 0)
	write(t, w, "insert 0=1: 0", Pending, rows)
	write(t, w, "fence 0=2; drain 0=2; tops; insert 0=2: 0", Written, rows)
}

func TestOwnerZeroIsNeverUsed(t *testing.T) {
	drawn := []uint64{0, 0, 5}
	w := &Writer{Table: newLedger(), Draw: func() uint64 { d := drawn[0]; drawn = drawn[1:]; return d }}
	write(t, w, "fence 0=5; drain 0=5; tops; insert 0=5: 0", Written, part(p0, nil, 0))
}

// The broker lost its data and gives offsets 0 and 1 to new events.
func TestCollision(t *testing.T) {
	l := newLedger()
	l.rows[p0] = map[int64]ID{0: {0, 1}, 1: {1, 1}}
	w := writer(l)
	var collisions []string
	w.Collided = func(c Collision) {
		collisions = append(collisions, fmt.Sprintf("%d rows from %x to %x", len(c.Rows), c.From.Stream, c.To.Stream))
	}
	anew := func() *Part {
		p := part(p0, nil, 0, 1, 2)
		p.Rows[0].ID, p.Rows[1].ID = ID{0, 2}, ID{1, 2}
		return p
	}
	l.fail["insert"] = []error{nil, errCut}
	l.loses = 1
	rows := anew()
	write(t, w, "fence 0=1; drain 0=1; tops; read 0:0-1; insert 0=1: 2; fence 0=2; drain 0=2; tops; insert 0=2: 0 1", Pending, rows)
	write(t, w, "read 0:0-2; fence 0=3; drain 0=3; tops; read 0:0-0; insert 0=3: 1", Written, rows)
	again := writer(l) // another process: the same place
	write(t, again, "fence 0=1; drain 0=1; tops; read 0:0-2; fence 0=2; drain 0=2; tops; read 0:0-1", Written, anew())
	want := fmt.Sprintf("2 rows from 1 to %x", Successor(p0).Stream)
	if got := strings.Join(collisions, "; "); got != want+"; "+want {
		t.Errorf("collisions\n got %s\nwant %s, twice", got, want)
	}
}

// Two events of one coordinate in one part: whatever order they come in the next
// time, each is stored once.
func TestCollisionWithinPart(t *testing.T) {
	l := newLedger()
	both := func(first, second byte) *Part {
		return &Part{Partition: p0, Rows: []Row{{Offset: 0, ID: ID{first}}, {Offset: 0, ID: ID{second}}}}
	}
	for _, p := range []*Part{both(1, 2), both(2, 1)} {
		if err := writer(l).Write(t.Context(), []*Part{p}); err != nil || p.Outcome != Written {
			t.Fatalf("write: got %v and outcome %d", err, p.Outcome)
		}
	}
	got := fmt.Sprint(l.rows[p0][0][0], len(l.rows[p0]), l.rows[Successor(p0)][0][0], len(l.rows[Successor(p0)]), len(l.rows))
	if got != "1 1 2 1 2" {
		t.Errorf("rows: got %v", l.rows)
	}
}

// BenchmarkWrite is what the protocol costs in the steady state, without a server:
// one block of 100,000 rows of three partitions.
func BenchmarkWrite(b *testing.B) {
	const rows = 100_000
	parts := make([]*Part, 3)
	for i := range parts {
		parts[i] = &Part{Partition: Partition{stream, int32(i)}, Rows: make([]Row, rows/3)}
	}
	w := &Writer{Table: idle{}, Draw: func() uint64 { return 1 }}
	next := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range parts {
			p.Outcome = Pending
			for i := range p.Rows {
				p.Rows[i].Offset = next + int64(i)
			}
		}
		next += rows / 3
		if err := w.Write(b.Context(), parts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

// idle is a Table that does nothing, but never asks for a read.
type idle struct{ Table }

func (idle) Fence(context.Context, []Claim) error                           { return nil }
func (idle) Drain(context.Context, []Claim) error                           { return nil }
func (idle) Tops(context.Context, []Partition) (map[Partition]int64, error) { return nil, nil }
func (idle) Insert(context.Context, []Piece) error                          { return nil }

package exactlyonce

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	errDown   = errors.New("server is down")
	errKilled = errors.New("query was killed")
	errMemory = errors.New("memory limit exceeded")
)

// server is a ClickHouse with one table and its fence. Requests arrive as calls,
// whenever the network brings them; replies leave through the given functions.
type server struct {
	*sim
	down bool
	// lax is a server without the constraint: for the mutant without a fence.
	lax   bool
	fence map[Partition]uint64
	// onDisk is a fence that a restart brings back, in the order in which the writes
	// into it began: files are those that ended, and fencing those that run.
	onDisk  bool
	files   []*fencing
	fencing []*fencing
	began   int
	// drained is the owner that has drained the partition since the last fence write.
	drained map[Partition]uint64
	rows    map[Partition]*[maxRecords]ID
	running []*insert
}

// insert is one INSERT query. It is in the process list before it looks at the
// fence, and until its reply leaves.
type insert struct {
	pieces []Piece
	slots  []int64 // table partitions that it has yet to commit
	passed bool    // the constraint
	killed bool    // asked to stop; it may take its time
	dead   bool    // gone with its server
	reply  func(error)
}

// brief and owners are pieces and claims in a history: partition=owner offsets.
type (
	brief  []Piece
	owners []Claim
)

func (b brief) String() string {
	var all []string
	for _, p := range b {
		line := fmt.Sprintf("%v", owners{p.Claim})
		for _, r := range p.Rows {
			line += fmt.Sprintf(" %d", r.Offset)
		}
		all = append(all, line)
	}
	return strings.Join(all, ", ")
}

func (o owners) String() string {
	var all []string
	for _, c := range o {
		all = append(all, fmt.Sprintf("%s=%d", name(c.Partition), c.Owner))
	}
	return strings.Join(all, ", ")
}

// fencing is one write into the fence. Several may run at once: they are obeyed in the
// order in which they end.
type fencing struct {
	began  int
	claims []Claim
	dead   bool // gone with its server
}

func (s *server) serveFence(claims []Claim, reply func(error)) {
	if s.down {
		reply(errDown)
		return
	}
	s.began++
	f := &fencing{began: s.began, claims: claims}
	s.fencing = append(s.fencing, f)
	s.logf("server: fence write of %v begins", owners(claims))
	s.after(s.fenceDelay(), func() {
		if f.dead {
			return
		}
		s.fencing = slices.DeleteFunc(s.fencing, func(other *fencing) bool { return other == f })
		s.files = append(s.files, f)
		s.obey(f)
		reply(nil)
	})
}

func (s *server) obey(f *fencing) {
	s.logf("server: fence %v", owners(f.claims))
	for _, c := range f.claims {
		s.fence[c.Partition] = c.Owner
		delete(s.drained, c.Partition)
	}
}

// empty takes all partitions from everybody, as TRUNCATE and a restart do.
func (s *server) empty() {
	s.logf("server: the fence is emptied")
	clear(s.fence)
	s.files = nil
}

// serveKill asks the inserts of other owners to stop, as an asynchronous KILL does,
// and says how many there are.
func (s *server) serveKill(claims []Claim, reply func(int, error)) {
	if s.down {
		reply(0, errDown)
		return
	}
	n := 0
	for _, in := range s.running {
		if slices.ContainsFunc(claims, in.hinders) {
			in.killed = true
			n++
		}
	}
	s.logf("server: kill for %s: %d running", owners(claims), n)
	for _, c := range claims {
		if n == 0 && s.fence[c.Partition] == c.Owner {
			s.drained[c.Partition] = c.Owner
		}
	}
	reply(n, nil)
}

// hinders reports whether the insert carries the claim's partition for another owner.
func (in *insert) hinders(c Claim) bool {
	return slices.ContainsFunc(in.pieces, func(p Piece) bool {
		return p.Partition == c.Partition && p.Owner != c.Owner
	})
}

func (s *server) serveInsert(in *insert) {
	if s.down {
		in.reply(errDown)
		return
	}
	s.logf("server: insert of %v arrives", brief(in.pieces))
	for slot := range s.split {
		in.slots = append(in.slots, slot)
	}
	s.rnd.Shuffle(len(in.slots), func(i, j int) { in.slots[i], in.slots[j] = in.slots[j], in.slots[i] })
	s.running = append(s.running, in)
	s.after(s.delay(), func() { s.check(in) })
}

// check is the constraint: it looks at every row of the block, once, at its start.
func (s *server) check(in *insert) {
	switch {
	case in.dead:
		return
	case in.killed:
		s.finish(in, errKilled)
		return
	}
	for _, p := range in.pieces {
		if !s.lax && (p.Owner == 0 || s.fence[p.Partition] != p.Owner) {
			s.finish(in, fmt.Errorf("code 469: %w", ErrStale))
			return
		}
	}
	in.passed = true
	s.audit(in)
	s.after(s.delay(), func() { s.write(in) })
}

// audit checks I2 and I3 on an insert that has passed the constraint.
func (s *server) audit(in *insert) {
	for _, p := range in.pieces {
		for _, other := range s.running {
			if other.passed && other.hinders(p.Claim) {
				s.violate("I2", "%s: inserts of two owners run at once", name(p.Partition))
			}
		}
		for _, r := range p.Rows {
			if s.rows[p.Partition][r.Offset] != (ID{}) {
				s.violate("I3", "%s: insert of offset %d, which is visible", name(p.Partition), r.Offset)
			}
		}
	}
}

// write commits one table partition, or ends the insert before or after its last.
func (s *server) write(in *insert) {
	switch {
	case in.dead:
	case in.killed && s.rnd.IntN(4) > 0:
		s.finish(in, errKilled)
	case s.chance(s.failing):
		s.finish(in, errMemory)
	case len(in.slots) == 0:
		s.finish(in, nil)
	default:
		slot := in.slots[0]
		in.slots = in.slots[1:]
		for _, p := range in.pieces {
			s.commit(p, slot)
		}
		s.after(s.delay(), func() { s.write(in) })
	}
}

// commit makes the piece's rows of one table partition visible; it checks I1 and I3.
func (s *server) commit(p Piece, slot int64) {
	for _, r := range p.Rows {
		if r.Offset%s.split != slot {
			continue
		}
		s.logf("server: %s offset %d visible, by %d", name(p.Partition), r.Offset, p.Owner)
		if d := s.drained[p.Partition]; d != 0 && d != p.Owner {
			s.violate("I1", "%s: %d adds offset %d after %d has drained", name(p.Partition), p.Owner, r.Offset, d)
		}
		visible := &s.rows[p.Partition][r.Offset]
		if *visible != (ID{}) {
			s.violate("duplicate", "%s: offset %d is visible twice", name(p.Partition), r.Offset)
		}
		*visible = r.ID
	}
}

func (s *server) finish(in *insert, err error) {
	s.logf("server: insert of %v ends: %v", brief(in.pieces), err)
	s.running = slices.DeleteFunc(s.running, func(other *insert) bool { return other == in })
	in.reply(err)
}

// serveTops and serveRead answer from what is visible now, with how much there is of it:
// a user's profile may cut the answer short without a word.
func (s *server) serveTops(partitions []Partition, reply func(tops map[Partition]int64, whole int, err error)) {
	if s.down {
		reply(nil, 0, errDown)
		return
	}
	tops := make(map[Partition]int64)
	for _, p := range partitions {
		for offset, id := range s.rows[p] {
			if id != (ID{}) {
				tops[p] = int64(offset)
			}
		}
	}
	whole := len(tops)
	if s.chance(s.cutting) {
		for _, p := range partitions { // in their order: a map's would be another each time
			if s.rnd.IntN(2) == 0 {
				delete(tops, p)
			}
		}
	}
	reply(tops, whole, nil)
}

func (s *server) serveRead(ranges []Range, reply func(rows []visible, whole int, err error)) {
	if s.down || s.chance(s.failing) {
		reply(nil, 0, errDown)
		return
	}
	var all []visible
	for _, r := range ranges {
		for offset := r.First; offset <= r.Last; offset++ {
			if id := s.rows[r.Partition][offset]; id != (ID{}) {
				all = append(all, visible{r.Partition, offset, id})
			}
		}
	}
	whole := len(all)
	if whole > 0 && s.chance(s.cutting) {
		all = all[:s.rnd.IntN(whole)]
	}
	reply(all, whole, nil)
}

// visible is one row of the table, as a read returns it.
type visible struct {
	Partition
	offset int64
	id     ID
}

// crash is kill -9 of the server: queries are gone, committed parts stay, the fence is
// empty, nobody gets an answer.
func (s *server) crash() {
	s.logf("server: crash")
	for _, in := range s.running {
		in.dead = true
	}
	for _, f := range s.fencing {
		f.dead = true
	}
	s.running, s.fencing, s.down = nil, nil, true
	files := s.files
	s.empty()
	if s.onDisk {
		slices.SortFunc(files, func(a, b *fencing) int { return cmp.Compare(a.began, b.began) })
		for _, f := range files {
			for _, c := range f.claims {
				s.fence[c.Partition] = c.Owner
			}
		}
		s.files = files
	}
	s.after(1+s.rnd.Int64N(s.downTicks), func() { s.down = false; s.logf("server: up") })
}

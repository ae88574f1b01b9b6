package exactlyonce

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "seed of the model test; 0 is today's, or is drawn if -schedules is given")
	schedulesFlag = flag.Uint64("schedules", 0, "schedules of the model test; 0 is today's slice of a million")
	scheduleFlag  = flag.Int64("schedule", -1, "run only this schedule of the seed, and print its history")
)

// stream is the topic's; what Successor makes of it are the streams of collisions.
const stream = 1

// mutant is a way to break the protocol from outside: in what the table does, or in
// when the worker commits.
type mutant struct {
	table       func(*worker, Table) Table
	lax         bool
	commitFirst bool
	ackDropped  bool
	onDisk      bool // the fence comes back from a restart
	believing   bool // reads that are cut short are taken for whole
	hasty       bool // what is refused is a letter without a look at the table
	harmOnly    bool
}

// world is one schedule: a server, a group and its workers.
type world struct {
	*sim
	mutant
	server  server
	group   group
	owners  uint64 // ids drawn so far
	names   int
	alive   []*worker
	strict  bool           // workers that start from now on refuse what is dear
	letters map[ID]bool    // dead letters by event id
	levels  [levels]uint64 // the topic's stream and its successors
}

// TestModel runs the protocol through random schedules and checks I1 to I4, and in
// the end that every record is one row. -seed and -schedule replay what fails.
func TestModel(t *testing.T) {
	seed, first, end := slice(time.Now().UTC())
	if *schedulesFlag > 0 {
		seed, first, end = rand.Uint64()>>32, 0, *schedulesFlag
	}
	if *seedFlag > 0 {
		seed = *seedFlag
	}
	if n := *scheduleFlag; n >= 0 {
		if violated := play(seed, uint64(n), mutant{}, func(line string) { t.Log(line) }); violated != "" {
			t.Errorf("seed %d schedule %d: %s", seed, n, violated)
		}
		return
	}
	begin := time.Now()
	n, violated := search(seed, first, end, mutant{})
	if violated != "" {
		t.Fatalf("seed %d schedule %d: %s\nreplay: go test ./plugins/clickhouse/exactlyonce -run TestModel -v -seed %d -schedule %d", seed, n, violated, seed, n)
	}
	t.Logf("seed %d: schedules %d to %d, %.0f a second", seed, first, end-1, float64(end-first)/time.Since(begin).Seconds())
}

// slice is what is played on a day: in fifty days a million schedules of one seed.
func slice(day time.Time) (seed, first, end uint64) {
	const slices, size = 50, 20_000
	n := uint64(day.Unix() / (24 * 60 * 60))
	first = n % slices * size
	return n / slices, first, first + min(size, usualSchedules)
}

// search plays schedules first to end on all cores until one violates an invariant. It
// returns that one's number and the invariant, or the end.
func search(seed, first, end uint64, m mutant) (n uint64, violated string) {
	var next atomic.Uint64
	next.Store(first)
	var mu sync.Mutex
	var wg sync.WaitGroup
	n = end
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < end; i = next.Add(1) - 1 {
				if v := play(seed, i, m, nil); v != "" {
					next.Store(end) // the others finish what they are at
					mu.Lock()
					if i < n {
						n, violated = i, v
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return n, violated
}

// play runs one schedule to its end and returns the invariant that it violated.
func play(seed, schedule uint64, m mutant, trace func(string)) string {
	rnd := rand.New(rand.NewPCG(seed, schedule))
	s := &sim{mood: drawMood(rnd), rnd: rnd, trace: trace, harmOnly: m.harmOnly}
	w := &world{sim: s, mutant: m, levels: streams, letters: make(map[ID]bool)}
	w.server = server{sim: s, lax: m.lax, onDisk: m.onDisk, fence: make(map[Partition]uint64), drained: make(map[Partition]uint64), rows: make(map[Partition]*[maxRecords]ID)}
	w.group = group{sim: s, settled: w.isSettled, records: 3 + rnd.Int64N(maxRecords-2)}
	w.plan()
	// Zombies outlive the faults: stay until the last of them has arrived.
	last := faultTicks + s.slowTicks + callTicks
	for s.violated == "" && (s.now < last || !w.group.done()) {
		if s.now > last+3000 {
			s.violate("progress", "committed %v of %d", w.group.committed, w.group.records)
		}
		s.step()
	}
	w.verify()
	for _, worker := range w.alive {
		worker.crash()
	}
	return s.violated
}

var streams = func() (all [levels]uint64) {
	p := Partition{Stream: stream}
	for i := range all {
		all[i] = p.Stream
		p = Successor(p)
	}
	return all
}()

// plan creates the world and puts the schedule's faults into the queue.
func (w *world) plan() {
	for _, stream := range w.levels {
		for p := range partitions {
			w.server.rows[Partition{stream, int32(p)}] = new([maxRecords]ID)
		}
	}
	w.group.create()
	for range 2 + w.rnd.IntN(2) {
		w.spawn()
	}
	w.sometimes(5, func() { w.group.rebalance(w.rnd.IntN(2) == 0) })
	w.sometimes(3, w.killWorker)
	w.sometimes(2, w.server.crash)
	w.sometimes(1, w.takeoverAndCrash)
	if w.rnd.IntN(4) == 0 {
		w.sometimes(2, w.server.empty)
	}
	if w.rnd.IntN(4) == 0 {
		w.sometimes(1, w.restartStricter)
	}
	if w.rnd.IntN(8) == 0 {
		w.sometimes(recreations, func() { w.group.create(); w.group.rebalance(true) })
	}
	w.after(faultTicks, func() { w.group.rebalance(false) })
}

// sometimes lets a fault happen up to limit times, at any time while faults do.
func (w *world) sometimes(limit int, fault func()) {
	for range w.rnd.IntN(limit + 1) {
		w.after(w.rnd.Int64N(faultTicks), fault)
	}
}

// takeoverAndCrash has members take partitions at the same moment, and the server
// restart while they are at work on them.
func (w *world) takeoverAndCrash() {
	w.group.rebalance(true)
	w.after(20+w.rnd.Int64N(100), w.server.crash)
}

func (w *world) spawn() {
	w.names++
	m := &worker{world: w, name: fmt.Sprintf("worker %d", w.names), strict: w.strict}
	var table Table = client{m}
	if w.table != nil {
		table = w.table(m, table)
	}
	m.writer = &Writer{Table: table, Draw: w.draw}
	w.alive = append(w.alive, m)
	m.start()
	w.group.join(m)
}

// draw returns ids that nobody has drawn before, and 0 as often as it can.
func (w *world) draw() uint64 {
	w.owners++
	return w.owners / 2 * (w.owners % 2)
}

func (w *world) killWorker() {
	if len(w.alive) == 0 {
		return
	}
	w.kill(w.rnd.IntN(len(w.alive)))
}

func (w *world) kill(i int) {
	m := w.alive[i]
	w.alive = append(w.alive[:i:i], w.alive[i+1:]...)
	m.crash()
	w.group.leave(m)
	w.after(1+w.rnd.Int64N(30), w.spawn)
}

// restartStricter kills all workers; those that come after them refuse what is dear.
func (w *world) restartStricter() {
	w.logf("all restart, with stricter limits")
	w.strict = true
	for len(w.alive) > 0 {
		w.kill(0)
	}
}

// isSettled says that nothing of a record is lost if its offset is committed.
func (w *world) isSettled(p int, r record) bool {
	for _, id := range r.ids() {
		if w.rows(p, id) == 0 && !w.letters[id] {
			return false
		}
	}
	return true
}

// rows counts an event's rows in the topic's stream and its successors.
func (w *world) rows(p int, event ID) (n int) {
	for _, stream := range w.levels {
		for _, id := range w.server.rows[Partition{stream, int32(p)}] {
			if id == event {
				n++
			}
		}
	}
	return n
}

// verify checks at the end that each event of the topic is one row or a dead letter.
func (w *world) verify() {
	for p := range partitions {
		for o := range w.group.records {
			r := w.group.topic[p][o]
			if r.bad {
				continue
			}
			for _, id := range r.ids() {
				switch n := w.rows(p, id); {
				case n == 1 && w.letters[id]:
					w.violate("row and letter", "partition %d offset %d", p, o)
				case n == 1, n == 0 && w.letters[id]:
				case n == 0:
					w.violate("lost", "partition %d offset %d", p, o)
				default:
					w.violate("duplicate", "partition %d offset %d: %d rows", p, o, n)
				}
			}
		}
	}
}

func name(p Partition) string {
	if p.Stream == stream {
		return fmt.Sprintf("p%d", p.Number)
	}
	return fmt.Sprintf("p%d of stream %x", p.Number, p.Stream)
}

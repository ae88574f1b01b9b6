package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// diary is what happened, in order: the first thing to read when a storm has failed.
type diary struct {
	test   testing.TB
	from   time.Time
	lock   sync.Mutex
	lines  []string
	failed int
}

func (d *diary) note(format string, args ...any) {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%9.3f ", time.Since(d.from).Seconds())+fmt.Sprintf(format, args...))
}

// failf fails the test; the first few times it says why.
func (d *diary) failf(format string, args ...any) {
	d.note(format, args...)
	d.lock.Lock()
	d.failed++
	loud := d.failed <= 10
	d.lock.Unlock()
	if loud {
		d.test.Errorf(format, args...)
	} else {
		d.test.Fail()
	}
}

func (d *diary) tail(n int) string {
	d.lock.Lock()
	defer d.lock.Unlock()
	return strings.Join(d.lines[max(0, len(d.lines)-n):], "\n")
}

// keepLog writes what a process said and the diary into the folder of a run that is
// to be kept.
func (v *victim) keepLog(r *life) {
	if os.Getenv("STORM_DIR") == "" {
		return
	}
	dir := filepath.Join(v.dir, "logs")
	_ = os.MkdirAll(dir, 0o755)
	_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.log", v.name, r.cmd.Process.Pid)), []byte(r.out.String()), 0o644)
	_ = os.WriteFile(filepath.Join(dir, "diary.log"), []byte(v.tail(1<<20)+"\n"), 0o644)
}

// growth follows the number of rows.
type growth struct {
	rows    atomic.Uint64
	grewAt  atomic.Int64 // unix nanoseconds
	longest atomic.Int64 // without a new row, nanoseconds
}

func (s *storm) watchGrowth() {
	var conn driver.Conn
	s.grewAt.Store(time.Now().UnixNano())
	for s.sleep(50 * time.Millisecond) {
		var n uint64
		var err error
		if conn == nil {
			conn, err = clickhouse.Open(&clickhouse.Options{Addr: []string{s.native}, DialTimeout: time.Second, ReadTimeout: 5 * time.Second})
		}
		if err == nil {
			err = conn.QueryRow(s.ctx, "SELECT count() FROM clickstream.events").Scan(&n)
		}
		if err != nil {
			continue // it is down, or being killed
		}
		if n > s.rows.Swap(n) {
			now := time.Now().UnixNano()
			s.longest.Store(max(s.longest.Load(), now-s.grewAt.Swap(now)))
		}
	}
	if conn != nil {
		_ = conn.Close()
	}
}

func (s *storm) still() time.Duration { return time.Since(time.Unix(0, s.grewAt.Load())) }

// holdFire waits for new rows when there were none for long: kills that follow each
// other closely may keep everything from recovering, which is no fault; but left
// alone it must recover.
func (s *storm) holdFire() {
	if s.still() < 15*time.Second {
		return
	}
	s.held++
	s.note("no new row for %s: no kill until there is one", s.still().Round(time.Second))
	s.await("new rows, with nothing killed", func() error {
		if d := s.still(); d > time.Second {
			return fmt.Errorf("none for %s", d.Round(time.Second))
		}
		return nil
	})
}

// settle waits until all is up, no process is stopped, and rows come in.
func (s *storm) settle() {
	s.await("everything to run undisturbed", func() error {
		for _, v := range s.all() {
			r := v.living()
			if v.ready != "" {
				select {
				case <-r.listens:
				default:
					return fmt.Errorf("%s does not listen", v.name)
				}
			}
			if strings.HasPrefix(v.name, "consumer") && !r.hasInserted() {
				return fmt.Errorf("%s has not inserted", v.name)
			}
		}
		if n, d := s.paused.Load(), s.still(); n > 0 || d > time.Second {
			return fmt.Errorf("%d processes are stopped, no new row for %s", n, d)
		}
		return nil
	})
}

// awaitInserted waits for a consumer's first insert; after a while it is to be killed
// all the same: there may be nothing to insert, or no partition for it.
func (s *storm) awaitInserted(r *life) {
	late := time.NewTimer(15 * time.Second)
	defer late.Stop()
	select {
	case <-r.inserted:
	case <-r.done:
	case <-late.C:
		s.note("%s has inserted nothing for 15 s", r.victim.name)
	}
}

// measure waits for the recovery from a kill that nothing else disturbs.
func (s *storm) measure(v *victim) {
	r := v.living()
	before := s.rows.Load()
	if strings.HasPrefix(v.name, "consumer") {
		s.await(v.name+" to insert", func() error {
			if !r.hasInserted() {
				return fmt.Errorf("nothing for %s", time.Since(r.began))
			}
			return nil
		})
		name := "consumer"
		if v.unnamed { // its partitions wait for the end of its session
			name = "consumer, unnamed"
		}
		s.recovered(name, r.first)
		return
	}
	since := r.began
	if v.ready != "" {
		<-r.listens
		since, before = time.Now(), s.rows.Load()
	}
	s.await("new rows after "+v.name+" is back", func() error {
		if s.rows.Load() <= before {
			return fmt.Errorf("%d rows", before)
		}
		return nil
	})
	s.recovered(v.name, time.Since(since))
}

// await is await of the stack, with the diary and the consumers' goroutines in the
// failure.
func (s *storm) await(what string, check func() error) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(2 * patience)
	defer late.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			s.dump()
			s.t.Fatalf("waited %s for %s: %v", 2*patience, what, err)
		}
	}
}

// dump makes the consumers print their goroutines, which ends them.
func (s *storm) dump() {
	for _, v := range []*victim{s.services["consumer-1"], s.second} {
		if v == nil {
			continue
		}
		v.mu.Lock()
		r := v.current
		v.mu.Unlock()
		if r == nil {
			continue
		}
		r.ended.Store(true)
		r.signal(syscall.SIGCONT)
		r.signal(syscall.SIGQUIT)
		<-r.done
		s.t.Logf("%s:\n%s", v.name, lastLines(r.out.String(), 400))
	}
}

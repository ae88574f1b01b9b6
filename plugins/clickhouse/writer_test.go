package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"clickstream/internal/event"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// oneColumn is a table of one number, whose rows a test can read off a block.
var oneColumn = []tableColumn{{"n", "UInt8", ""}}

// ledger stands for the server where a test needs a clock it can stop: it records
// what was stored. outcome decides about each insert.
type ledger struct {
	mu      sync.Mutex
	blocks  [][]byte
	at      []time.Duration
	start   time.Time
	takes   time.Duration
	outcome func(rows []byte) error
	columns []tableColumn
	config  *config
}

func (l *ledger) insert(ctx context.Context, b *block, lo, hi int) error {
	rows := slices.Clone(b.columns[0].data[lo:hi])
	select {
	case <-time.After(l.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outcome != nil {
		if err := l.outcome(rows); err != nil {
			return err
		}
	}
	l.blocks = append(l.blocks, rows)
	l.at = append(l.at, time.Since(l.start))
	return nil
}

func (l *ledger) refused(context.Context, *block, int) (bool, error) { return false, nil }

func (l *ledger) find(context.Context, []*suspect) error { return nil }

func (l *ledger) prepare(context.Context) (*plan, error) { return newPlan(l.config, l.columns) }

func (l *ledger) sizes() (n []int) {
	for _, b := range l.blocks {
		n = append(n, len(b))
	}
	return n
}

// bench is a writer over a ledger, inside a synctest bubble.
func bench(t *testing.T, c config, l *ledger) *writer {
	t.Helper()
	return benchStopping(t, c, l, nil)
}

// benchStopping is bench in a process that is asked to stop when stopping closes.
func benchStopping(t *testing.T, c config, l *ledger, stopping <-chan struct{}) *writer {
	t.Helper()
	c.table = "t"
	l.config, l.start = &c, time.Now()
	if l.columns == nil {
		l.columns = oneColumn
	}
	p, err := l.prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := newStats(service.MockResources().Metrics())
	w := newWriter(&sender{config: &c, table: l, stats: s, log: service.MockResources().Logger()}, p, &c)
	w.stopping = stopping
	ctx, cancel := context.WithCancel(context.Background())
	go w.run(ctx)
	t.Cleanup(func() {
		closing, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		w.close(closing, cancel)
	})
	return w
}

// numbers is a batch of n messages that count from first.
func numbers(first, n int) (batch service.MessageBatch) {
	for i := range n {
		batch = append(batch, service.NewMessage(fmt.Appendf(nil, `{"n":%d}`, (first+i)%256)))
	}
	return batch
}

func base1() config {
	return config{maxRows: 1000, maxBytes: 1 << 20, maxInFlight: 256, flushInterval: 5 * time.Second, insertTimeout: time.Minute}
}

// TestRowsOrTimeWhicheverFirst: max_rows 1000 and flush_interval 5s mean what they say.
func TestRowsOrTimeWhicheverFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		w := bench(t, base1(), l)
		var wg sync.WaitGroup
		for range 23 { // 2300 rows at once: two blocks are full, the rest waits its time
			wg.Go(func() { _ = w.write(t.Context(), documentsOf(numbers(0, 100))) })
		}
		wg.Wait()
		if got, want := fmt.Sprint(l.sizes(), l.at), "[1000 1000 300] [0s 0s 5s]"; got != want {
			t.Errorf("blocks\n got %s\nwant %s", got, want)
		}
	})
}

// TestBatchSpansBlocks: one batch larger than a block is cut at exactly max_rows.
func TestBatchSpansBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{takes: time.Second}
		w := bench(t, base1(), l)
		if err := w.write(t.Context(), documentsOf(numbers(0, 2500))); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(l.sizes()), "[1000 1000 500]"; got != want {
			t.Errorf("blocks\n got %s\nwant %s", got, want)
		}
	})
}

// TestQuiet: a large block that no row has joined for a while goes; a small one, or
// one that rows still join, waits its time.
func TestQuiet(t *testing.T) {
	const large = 100 // bytes; a row of oneColumn is one
	for name, tc := range map[string]struct {
		rows int           // in the first batch
		then time.Duration // until a second batch of one row comes; 0 is never
		want string
	}{
		"large":        {large, 0, "[100] [60ms]"},
		"small":        {large - 1, 0, "[99] [5s]"},
		"still filled": {large, 59 * time.Millisecond, "[101] [119ms]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{}
				w := bench(t, base1(), l)
				w.large = large
				var wg sync.WaitGroup
				wg.Go(func() { _ = w.write(t.Context(), documentsOf(numbers(0, tc.rows))) })
				if tc.then > 0 {
					wg.Go(func() { <-time.After(tc.then); _ = w.write(t.Context(), documentsOf(numbers(0, 1))) })
				}
				wg.Wait()
				if got := fmt.Sprint(l.sizes(), l.at); got != tc.want {
					t.Errorf("blocks\n got %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

// TestStopping: once the process is asked to stop nobody waits for a timer.
func TestStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stopping := &ledger{}, make(chan struct{})
		w := benchStopping(t, base1(), l, stopping)
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.write(t.Context(), documentsOf(numbers(0, 1))) })
		time.AfterFunc(time.Second, func() { close(stopping) })
		wg.Go(func() { <-time.After(2 * time.Second); _ = w.write(t.Context(), documentsOf(numbers(0, 2))) })
		wg.Wait()
		if got, want := fmt.Sprint(l.sizes(), l.at), "[1 2] [1s 2s]"; got != want {
			t.Errorf("blocks\n got %s\nwant %s", got, want)
		}
	})
}

// TestIdle: when every caller waits, the block goes at once.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := base1()
		c.maxInFlight = 3
		l := &ledger{}
		w := bench(t, c, l)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _ = w.write(t.Context(), documentsOf(numbers(0, 10))) })
		}
		wg.Wait()
		if got, want := fmt.Sprint(l.sizes(), l.at), "[30] [0s]"; got != want {
			t.Errorf("blocks\n got %s\nwant %s", got, want)
		}
	})
}

// TestGathersWhileInserting: rows that come while an insert runs make one block, and
// no more than max_rows of them are taken in.
func TestGathersWhileInserting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := base1()
		c.flushInterval = 100 * time.Millisecond
		l := &ledger{takes: 3 * time.Second}
		w := bench(t, c, l)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 90 * time.Millisecond) // a producer's pace, on the bubble's clock
				_ = w.write(t.Context(), documentsOf(numbers(0, 100)))
			})
		}
		time.Sleep(2900 * time.Millisecond) // the first insert still runs
		synctest.Wait()
		w.mu.Lock()
		waiting := w.waitingRows()
		w.mu.Unlock()
		if waiting != 1200 { // 200 in flight, a full block, and the rest held back
			t.Errorf("rows in memory\n got %d\nwant 1200", waiting)
		}
		wg.Wait()
		if got, want := fmt.Sprint(l.sizes()), "[200 1000 800]"; got != want {
			t.Errorf("blocks\n got %s\nwant %s", got, want)
		}
	})
}

// TestServerRejectsRows: rows that the server refuses are found by halving, and their
// neighbours are stored.
func TestServerRejectsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{outcome: func(rows []byte) error {
			if slices.Contains(rows, 13) || slices.Contains(rows, 99) {
				return &driver.Exception{Code: 469, Message: "Constraint `x` is violated, row: 13"}
			}
			return nil
		}}
		w := bench(t, base1(), l)
		batch := numbers(0, 100)
		batch[50] = service.NewMessage([]byte("{"))
		got := failures(batch, func() error { return w.write(t.Context(), documentsOf(batch)) })
		want := "13 unknown_value (): the row violates a constraint of the table (code 469)\n" +
			"50 malformed_json (): unexpected end at byte 1\n" +
			"99 unknown_value (): the row violates a constraint of the table (code 469)\n"
		if got != want {
			t.Errorf("failed messages\n got %s\nwant %s", got, want)
		}
		if stored := slices.Concat(l.blocks...); len(stored) != 97 {
			t.Errorf("rows stored\n got %d\nwant 97", len(stored))
		}
	})
}

// failures runs send and lists the messages that failed: "0 reason (field): message".
func failures(batch service.MessageBatch, send func() error) (text string) {
	index := batch.Index()
	err := send()
	var failed *service.BatchError
	if !errors.As(err, &failed) {
		return fmt.Sprint(err)
	}
	failed.WalkMessagesIndexedBy(index, func(i int, _ *service.Message, err error) bool {
		if err != nil {
			text += fmt.Sprintln(i, err)
		}
		return true
	})
	return text
}

// TestComplaints: what the server's limits do to the blocks.
func TestComplaints(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"memory":         {&driver.Exception{Code: 241}, "[2000 2000]"},
		"timeout":        {context.DeadlineExceeded, "[2000 2000]"},
		"too many parts": {&driver.Exception{Code: 252}, "[4000]"},
		"network":        {&driver.Exception{Code: 210}, "[4000]"},
		"unknown":        {&driver.Exception{Code: 4242}, "[4000]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := true
				l := &ledger{outcome: func([]byte) error {
					defer func() { first = false }()
					if first {
						return tc.err
					}
					return nil
				}}
				c := base1()
				c.maxRows = 4000
				w := bench(t, c, l)
				if err := w.write(t.Context(), documentsOf(numbers(0, 4000))); err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(l.sizes()); got != tc.want {
					t.Errorf("blocks\n got %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

func TestPaceRecovers(t *testing.T) {
	p := newPace(limit{rows: 8000, interval: time.Second})
	for range 5 {
		p.complain(smaller, p.rows)
		p.complain(rarer, 0)
		p.complain(smaller, 8000)
	}
	if got, want := fmt.Sprint(p.limit().rows, p.limit().interval), "4000 16s"; got != want {
		t.Errorf("after complaints\n got %s\nwant %s", got, want)
	}
	for range 4 * calm {
		p.store()
	}
	if got, want := fmt.Sprint(p.limit().rows, p.limit().interval), "8000 1s"; got != want {
		t.Errorf("after %d stored blocks\n got %s\nwant %s", 4*calm, got, want)
	}
}

// TestDrift: when the table's columns have changed, rows are built anew, those that
// wait in the next block too.
func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{takes: time.Second}
		w := bench(t, base1(), l)
		l.outcome = func(rows []byte) error {
			if w.plan.bindings[0].name == "UInt8" && len(l.blocks) == 1 {
				l.columns = []tableColumn{{"n", "Nullable(UInt8)", ""}}
				return fmt.Errorf("column n: %w", errDrift)
			}
			return nil
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := w.write(t.Context(), documentsOf(numbers(0, 1000))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got, want := fmt.Sprint(l.sizes(), w.plan.bindings[0].name), "[1000 1000 1000 1000]Nullable(UInt8)"; got != want {
			t.Errorf("blocks\n got %s\nwant %s", got, want)
		}
	})
}

// TestHardStop: a caller whose context ends leaves without an outcome, so that
// Benthos neither acknowledges nor nacks.
func TestHardStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{outcome: func([]byte) error { return &driver.Exception{Code: 210} }}
		w := bench(t, base1(), l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.write(ctx, documentsOf(numbers(0, 10))); !errors.Is(err, service.ErrEndOfInput) {
			t.Errorf("write at a hard stop\n got %v\nwant %v", err, service.ErrEndOfInput)
		}
	})
}

// TestCloseFlushes: rows that wait are stored when the output closes.
func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		c := base1()
		c.table = "t"
		w := bench(t, c, l)
		result := make(chan error, 1)
		go func() { result <- w.write(t.Context(), documentsOf(numbers(0, 10))) }()
		synctest.Wait()
		w.mu.Lock()
		w.closing = true
		w.mu.Unlock()
		w.wake()
		if err := <-result; err != nil || len(l.blocks) != 1 {
			t.Errorf("write while closing\n got %v and %d blocks\nwant <nil> and 1 block", err, len(l.blocks))
		}
	})
}

// TestFlagged: a message that a processor failed on is not stored.
func TestFlagged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		w := bench(t, base1(), l)
		batch := numbers(0, 2)
		batch[0].SetError(errors.New("secret"))
		want := "0 other (): a processor failed on the message\n"
		if got := failures(batch, func() error { return w.write(t.Context(), documentsOf(batch)) }); got != want {
			t.Errorf("failed messages\n got %s\nwant %s", got, want)
		}
		if r := event.ParseRejection("other (): a processor failed on the message"); r.Reason != event.ReasonOther {
			t.Errorf("reason\n got %s\nwant other", r.Reason)
		}
	})
}

// TestFewParts: at any rate, with the server answering in 50 ms and batches coming as
// the Kafka input makes them, a table gets at most 2.2 new parts a second.
func TestFewParts(t *testing.T) {
	for _, rate := range []int{100, 2000, 50000} {
		synctest.Test(t, func(t *testing.T) {
			c := base1()
			c.maxRows, c.flushInterval = 250000, 500*time.Millisecond
			l := &ledger{takes: 50 * time.Millisecond}
			w := bench(t, c, l)
			var wg sync.WaitGroup
			const seconds, every = 30, 50 * time.Millisecond
			ticks := int(seconds * time.Second / every)
			for i := range ticks {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * every) // the bubble's clock
					_ = w.write(t.Context(), documentsOf(numbers(0, rate*int(every)/int(time.Second))))
				})
			}
			wg.Wait()
			if got := float64(len(l.blocks)) / seconds; got > 2.2 {
				t.Errorf("parts a second at %d events/s\n got %.1f\nwant at most 2.2", rate, got)
			}
		})
	}
}

// TestLogsSeldom: a server that is away for a minute costs one log line per 10 s.
func TestLogsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		w := bench(t, base1(), l)
		l.outcome = func([]byte) error {
			if time.Since(l.start) < time.Minute {
				return &driver.Exception{Code: 210, Message: "gone"}
			}
			return nil
		}
		var log bytes.Buffer
		w.sender.log = service.NewLoggerFromSlog(slog.New(slog.NewTextHandler(&log, nil)))
		if err := w.write(t.Context(), documentsOf(numbers(0, 1))); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(strings.Count(log.String(), "does not store rows"), strings.Count(log.String(), "stores rows again"))
		if want := "6 1"; got != want {
			t.Errorf("log lines\n got %s\nwant %s\n%s", got, want, log.String())
		}
	})
}

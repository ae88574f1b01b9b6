package broker

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestFlushCost prints what waiting for the disk costs: the broker's CPU per record
// and the time to the answer, at 2,000 records a second and at full speed, with and
// without it in turn. COST=10s says how long each measurement takes.
func TestFlushCost(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("COST"))
	if err != nil {
		t.Skip("it measures for a minute: run with COST=10s")
	}
	for _, load := range []struct {
		name    string
		batch   int // records sent at a time, a batch each
		every   time.Duration
		bytes   int
		pending int
	}{
		{"2,000/s, a record a batch", 2, time.Millisecond, 190, 50_000},
		{"2,000/s, linger 5 ms", 10, 5 * time.Millisecond, 190, 50_000},
		{"full speed", 1000, 0, 190, 200_000},
	} {
		for range 3 {
			for _, flush := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/flush=%t", load.name, flush), func(t *testing.T) {
					if !flush {
						t.Setenv(noFlushEnv, "1")
					}
					cmd, addr := child(t, costDir(t), "127.0.0.1:0")
					createTopic(t, client(t, addr), topic, 3)
					opts := []kgo.Opt{kgo.MaxBufferedRecords(load.pending), kgo.ProducerLinger(0)}
					if load.batch > 2 {
						opts = append(opts, kgo.ProducerLinger(5*time.Millisecond))
					}
					cl := client(t, addr, opts...)
					var mu sync.Mutex
					var took []time.Duration
					value := []byte(strings.Repeat("x", load.bytes))
					tick := time.NewTicker(max(load.every, 1))
					defer tick.Stop()
					begin := time.Now()
					for time.Since(begin) < span {
						for range load.batch {
							sent := time.Now()
							cl.Produce(t.Context(), &kgo.Record{Value: value, Partition: 0}, func(_ *kgo.Record, err error) {
								mu.Lock()
								defer mu.Unlock()
								if err != nil {
									t.Error(err)
								}
								took = append(took, time.Since(sent))
							})
						}
						if load.every > 0 {
							<-tick.C
						}
					}
					if err := cl.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					wall := time.Since(begin)
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
					cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
					slices.Sort(took)
					n := len(took)
					t.Logf("%.0f records/s, broker %.2f us of CPU a record, %.1f %% of a core, answer p50 %s, p99 %s",
						float64(n)/wall.Seconds(), float64(cpu.Microseconds())/float64(n), 100*cpu.Seconds()/wall.Seconds(),
						took[n/2].Round(10*time.Microsecond), took[n*99/100].Round(10*time.Microsecond))
				})
			}
		}
	}
}

// costDir is on the disk that the test's author means: /tmp may be memory.
func costDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(".", "cost-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

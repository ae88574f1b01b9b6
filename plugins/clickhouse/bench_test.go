package clickhouse

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"clickstream/internal/engine/enginetest"
	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// BenchmarkWriteBatch: messages into the events table of a real engine on the same
// machine, from the message to the acknowledgement, in batches of 5,000 of three
// partitions. client-ns and engine-ns are CPU time a row.
func BenchmarkWriteBatch(b *testing.B) {
	for _, compression := range []string{"none", "lz4"} {
		for _, mode := range []string{"coordinates", "exactly_once"} {
			b.Run(compression+"/"+mode, func(b *testing.B) { benchmarkWrite(b, compression, mode) })
		}
	}
}

func benchmarkWrite(b *testing.B, compression, mode string) {
	own := enginetest.StartOwn(b, enginetest.Options{})
	f := fixture{own.Server, own.Database(b)}
	f.schema(b)
	if mode == "coordinates" {
		f.query(b, "ALTER TABLE events DROP CONSTRAINT current_owner")
	}
	o := connected(b, strings.Replace(f.yaml("events", mode+": true\ncompression: "+compression), "20ms", "500ms", 1))
	docs := make([]string, 5000)
	for i := range docs {
		docs[i] = strings.Replace(change("user_0042", fmt.Sprintf("user_%04d", i%500)), "prod_123", fmt.Sprintf("prod_%03d", i%300), 1)
	}
	var feeds [3]feeder
	for p := range feeds {
		feeds[p].source = assignment(int32(p), nil)
		feeds[p].docs = docs
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, 48)
	client, engine := cpu(b, os.Getpid()), cpu(b, own.PID())
	b.ReportAllocs()
	b.ResetTimer()
	for i := range cap(done) {
		go func() {
			for left.Add(-int64(len(docs))) > -int64(len(docs)) {
				if err := o.WriteBatch(b.Context(), feeds[i%len(feeds)].batch()); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(cpu(b, os.Getpid())-client)/float64(b.N), "client-ns/row")
	b.ReportMetric(float64(cpu(b, own.PID())-engine)/float64(b.N), "engine-ns/row")
}

// feeder makes batches of one partition, each with the offsets after the last one's.
type feeder struct {
	source *event.Source
	docs   []string
	next   atomic.Int64
}

func (f *feeder) batch() service.MessageBatch {
	first := f.next.Add(int64(len(f.docs))) - int64(len(f.docs))
	batch, records := make(service.MessageBatch, len(f.docs)), make([]event.Record, len(f.docs))
	for i, doc := range f.docs {
		records[i] = event.Record{Context: context.Background(), Coordinate: event.Coordinate{Source: f.source, Offset: first + int64(i), Time: time.UnixMilli(1768487400456)}}
		batch[i] = service.NewMessageWithContext(&records[i], []byte(doc))
	}
	return batch
}

// cpu returns what a process has used so far; of the own one to the microsecond.
func cpu(b *testing.B, pid int) time.Duration {
	b.Helper()
	if pid == os.Getpid() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("engine-ns/row needs /proc: ", err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
}

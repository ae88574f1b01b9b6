package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
	"clickstream/internal/process"
)

const columns = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"

// write makes a file in a test's folder.
func write(t testing.TB, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// newReplay opens an input of YAML, in addition to a preset and a marker.
func newReplay(t testing.TB, marker, yaml string) *replay {
	t.Helper()
	return open(parsed(t, fmt.Sprintf("preset: rees46\nquiet: true\nmarker: %q\n%s", marker, yaml)), service.MockResources())
}

// texts are a batch's messages.
func texts(t testing.TB, batch service.MessageBatch) (out []string) {
	t.Helper()
	for _, m := range batch {
		b, err := m.AsBytes()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// drain reads everything, acknowledges it and closes the input.
func drain(t testing.TB, r *replay) (out []string, err error) {
	t.Helper()
	ctx := t.Context()
	if err := r.Connect(ctx); err != nil {
		return nil, err
	}
	for {
		batch, ack, err := r.ReadBatch(ctx)
		if err != nil {
			if errors.Is(err, service.ErrEndOfInput) {
				err = nil
			}
			return out, errors.Join(err, r.Close(ctx))
		}
		out = append(out, texts(t, batch)...)
		if err := ack(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// lines makes n rows; each tenth is no event, and all of those have the same bytes.
func lines(n int) string {
	var b strings.Builder
	b.WriteString(columns)
	for i := range n {
		if i%10 == 3 {
			b.WriteString("not a row\n")
			continue
		}
		fmt.Fprintf(&b, "2019-10-01 00:%02d:%02d UTC,view,%d,1,,,%d.5,%d,s\n", i/60%60, i%60, i%7, i, i)
	}
	return b.String()
}

// pack returns text as gzip or zstd.
func packed(t testing.TB, text, codec string) string {
	t.Helper()
	var b bytes.Buffer
	switch codec {
	case ".gz":
		w := gzip.NewWriter(&b)
		_, err := w.Write([]byte(text))
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte(text))
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	default:
		return text
	}
	return b.String()
}

// TestPacked: a file is the same plain and packed, with the same ids, and once it is
// sent a second replay has nothing to send, without a broker too.
func TestPacked(t *testing.T) {
	var want []string
	for _, codec := range []string{"", ".gz", ".zst"} {
		path, marker := write(t, "rows.csv"+codec, packed(t, lines(20_000), codec)), filepath.Join(t.TempDir(), "m")
		got, err := drain(t, newReplay(t, marker, "paths: ["+path+"]"))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if len(got) != 20_000 || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("rows.csv%s: got %d messages, want the %d of the plain file", codec, len(got), len(want))
		}
		if again, err := drain(t, newReplay(t, marker, "paths: ["+path+"]")); err != nil || len(again) > 0 {
			t.Errorf("second replay of rows.csv%s: got %d messages and error %v, want none", codec, len(again), err)
		}
	}
}

// startBroker starts a broker with the topic t, and a client for it.
func startBroker(t testing.TB) (address string, client *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	address = strings.Join(c.ListenAddrs(), ",")
	if client, err = kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic("t")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return address, client
}

// kill ends an input as kill -9 does: nothing is written any more.
func kill(r *replay) {
	if r.stop != nil {
		r.stop()
		r.stopped.Wait()
	}
	if r.topic != nil {
		r.topic.client.Close()
	}
	if r.unlock != nil {
		_ = r.unlock()
	}
}

// TestKill is a model of what can happen: rows are written and not acknowledged,
// acknowledged out of order, refused, and the process is killed between any two steps,
// again and again, right after it went on too. In the end the topic has each row once,
// rows that are no event and have the same bytes as others included.
func TestKill(t *testing.T) {
	const rows = 60_000
	path := write(t, "rows.csv", lines(rows))
	total := 0
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		address, client := startBroker(t)
		foreign := &kgo.Record{Value: []byte("not a row either")}
		if err := client.ProduceSync(t.Context(), foreign).FirstErr(); err != nil {
			t.Fatal(err)
		}
		yaml := fmt.Sprintf("paths: [%s]\nkafka: { brokers: [%q], topic: t, settle: 0s }", path, address)
		marker := filepath.Join(t.TempDir(), "m")
		kills := 0
		for ; !round(t, rnd, newReplay(t, marker, yaml), client, kills > 25); kills++ {
			if kills > 60 {
				t.Fatal("no end after 60 kills")
			}
		}
		want, err := drain(t, newReplay(t, filepath.Join(t.TempDir(), "m"), "paths: ["+path+"]"))
		if err != nil {
			t.Fatal(err)
		}
		open := map[string]int{string(foreign.Value): 1}
		for _, row := range want {
			open[row]++
		}
		topic := read(t, address)
		for _, row := range topic {
			if open[row]--; open[row] < 0 {
				t.Fatalf("seed %d: after %d kills the topic has a row too often: %s", seed, kills, row)
			}
		}
		if len(topic) != rows+1 {
			t.Errorf("seed %d: after %d kills the topic has %d records, want %d", seed, kills, len(topic), rows+1)
		}
		total += kills
		// Without its marker a replay finds the rows all the same, but those that are no
		// event, which nothing tells from others.
		again, err := drain(t, newReplay(t, filepath.Join(t.TempDir(), "m"), yaml))
		if err != nil || len(again) != rows/10 {
			t.Errorf("seed %d: without the marker %d rows come again, error %v, want the %d that are no event", seed, len(again), err, rows/10)
		}
	}
	if total < 15 {
		t.Errorf("%d kills in all: this test would prove little", total)
	}
}

// round runs an input until it is killed, or ends; calm rounds are not killed.
func round(t *testing.T, rnd *rand.Rand, r *replay, client *kgo.Client, calm bool) (ended bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	type pending struct {
		ack  service.AckFunc
		good bool
	}
	var acks []pending
	for {
		if !calm && rnd.IntN(6) == 0 {
			kill(r)
			return false
		}
		if rnd.IntN(3) == 0 { // bring the marker up to date now, since tests wait for no clock
			if err := r.markOnce(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for rnd.IntN(2) == 0 && len(acks) > 0 || len(acks) > 4 || len(acks) > 0 && r.ended {
			i := rnd.IntN(len(acks))
			err := error(nil)
			if !acks[i].good {
				err = errors.New("refused")
			}
			_ = acks[i].ack(ctx, err)
			acks = append(acks[:i], acks[i+1:]...)
		}
		short, done := context.WithTimeout(ctx, 300*time.Millisecond) // a refused batch comes again after 100 ms
		batch, ack, err := r.ReadBatch(short)
		done()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue // it waits for acknowledgements
		}
		if err != nil {
			if !errors.Is(err, service.ErrEndOfInput) {
				t.Fatal(err)
			}
			if err := r.Close(ctx); err != nil {
				t.Fatal(err)
			}
			return true
		}
		if rnd.IntN(20) == 0 { // refused as a whole: nothing was written
			acks = append(acks, pending{ack, false})
			continue
		}
		rows := texts(t, batch)
		if !calm && rnd.IntN(8) == 0 { // killed when only some were written
			rows = rows[:rnd.IntN(len(rows))]
		}
		records := make([]*kgo.Record, len(rows))
		for i, row := range rows {
			records[i] = &kgo.Record{Value: []byte(row)}
		}
		if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if len(rows) < len(batch) {
			kill(r)
			return false
		}
		acks = append(acks, pending{ack, true})
	}
}

// read returns what the topic has.
func read(t testing.TB, address string) (out []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all := &topic{name: "t", opts: []kgo.Opt{kgo.SeedBrokers(address)}, client: client, admin: kadm.NewClient(client)}
	ends, err := all.ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := all.read(t.Context(), nil, ends, func(value []byte) { out = append(out, string(value)) }); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPartlyRefused: of a batch whose error names messages only those come again.
func TestPartlyRefused(t *testing.T) {
	r := newReplay(t, filepath.Join(t.TempDir(), "m"), "paths: ["+write(t, "rows.csv", lines(5))+"]")
	ctx := t.Context()
	if err := r.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	first, ack, err := r.ReadBatch(ctx)
	if err != nil || len(first) != 5 {
		t.Fatalf("got %d messages and error %v, want 5", len(first), err)
	}
	want := texts(t, first)[3]
	if err := ack(ctx, service.NewBatchError(first, errors.New("no")).Failed(3, errors.New("no"))); err != nil {
		t.Fatal(err)
	}
	second, ack, err := r.ReadBatch(ctx)
	if err != nil || len(second) != 1 || texts(t, second)[0] != want {
		t.Fatalf("got %q and error %v, want %q", texts(t, second), err, want)
	}
	if err := ack(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err = r.ReadBatch(ctx); !errors.Is(err, service.ErrEndOfInput) {
		t.Errorf("after the last row: got %v, want the end", err)
	}
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestSpeed: at 60x the first event happens now, the others as far behind it as in the
// file, divided by sixty, and each leaves when it happens.
func TestSpeed(t *testing.T) {
	text := columns
	for _, at := range []string{"00:00:00", "00:01:00", "00:01:00", "00:31:00", "00:30:00", "02:00:00"} {
		text += "2019-10-01 " + at + " UTC,view,1,1,,,1,1,s\n"
	}
	path, marker := write(t, "rows.csv", text), filepath.Join(t.TempDir(), "m")
	synctest.Test(t, func(t *testing.T) {
		r := newReplay(t, marker, "paths: ["+path+"]\nspeed: 60x")
		ctx := t.Context()
		start := time.Now()
		if err := r.Connect(ctx); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, time.Second, time.Second, 31 * time.Second, 30 * time.Second, 2 * time.Minute}
		left := []time.Duration{0, time.Second, time.Second, 31 * time.Second, 31 * time.Second, 2 * time.Minute}
		for n := 0; n < len(want); {
			batch, ack, err := r.ReadBatch(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range texts(t, batch) {
				text, _ := event.Lookup([]byte(row), "timestamp")
				at, ok := event.ParseTime(text)
				if got := time.UnixMilli(at.Seconds*1000 + int64(at.Nanos)/1e6).Sub(start); !ok || got != want[n] {
					t.Errorf("row %d happens after %s, want %s", n+1, got, want[n])
				}
				if got := time.Since(start); got != left[n] {
					t.Errorf("row %d leaves after %s, want %s", n+1, got, left[n])
				}
				n++
			}
			_ = ack(ctx, nil)
		}
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestBadFiles: what is wrong with files is said with their names, and what lies before
// is sent.
func TestBadFiles(t *testing.T) {
	whole := packed(t, lines(20_000), ".gz")
	for name, tc := range map[string]struct {
		file, text string
		rows       int // at least
		want       string
	}{
		"cut off":     {"a.csv.gz", whole[:len(whole)/2], 1000, "the file is cut off: what lies before this row is sent"},
		"no gzip":     {"a.csv.gz", "event_time", 0, "gzip: "},
		"a long row":  {"a.csv", lines(2) + strings.Repeat("x", 200_000), 2, "row 3: longer than 131072 bytes: mend the row, or raise max_row_bytes"},
		"header":      {"a.csv", "a,b\n", 0, `a.csv: header: no column "event_type" among 2`},
		"what is it":  {"a.txt", "a,b\n", 0, "set format"},
		"nothing":     {"a.csv", "", 0, ""},
		"only header": {"a.csv", columns, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplay(t, filepath.Join(t.TempDir(), "m"), "paths: ["+write(t, tc.file, tc.text)+"]")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			watched := make(chan struct{})
			go func() { // as the command does
				defer close(watched)
				select {
				case <-process.Fatals():
					cancel()
				case <-ctx.Done():
				}
			}()
			rows, err := 0, r.Connect(ctx)
			for err == nil {
				var batch service.MessageBatch
				var ack service.AckFunc
				if batch, ack, err = r.ReadBatch(ctx); err == nil {
					rows += len(batch)
					_ = ack(ctx, nil)
				}
			}
			got := fmt.Sprint(errors.Join(err, r.failure))
			if tc.want == "" && !errors.Is(err, service.ErrEndOfInput) || !strings.Contains(got, tc.want) || rows < tc.rows {
				t.Errorf("got %d rows and %q, want %d and %q", rows, got, tc.rows, tc.want)
			}
			_ = r.Close(context.Background())
			cancel()
			<-watched
			select { // if Connect failed it may still be there
			case <-process.Fatals():
			default:
			}
		})
	}
}

// BenchmarkRows: reading, mapping, ids and JSON on one core, without a broker.
func BenchmarkRows(b *testing.B) {
	const rows = 200_000
	path := write(b, "rows.csv", lines(rows))
	b.ReportAllocs()
	for b.Loop() {
		r := newReplay(b, filepath.Join(b.TempDir(), "m"), "paths: ["+path+"]")
		if fatal, err := r.begin(b.Context()); err != nil {
			b.Fatal(fatal, err)
		}
		for !r.ended {
			r.fill(time.Time{})
		}
		_ = r.Close(b.Context())
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}

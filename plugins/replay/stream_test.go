package replay

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/event"
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

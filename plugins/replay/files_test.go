package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"

	"clickstream/internal/process"
)

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

// TestMended: a file that was cut off is sent up to there, and when it is whole, from
// there on.
func TestMended(t *testing.T) {
	whole := packed(t, lines(20_000), ".gz")
	path, marker := write(t, "rows.csv.gz", whole[:len(whole)/2]), filepath.Join(t.TempDir(), "m")
	r := newReplay(t, marker, "paths: ["+path+"]")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := r.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { // as the command does
		<-process.Fatals()
		cancel()
	}()
	var got []string
	for {
		batch, ack, err := r.ReadBatch(ctx)
		if err != nil {
			break
		}
		got = append(got, texts(t, batch)...)
		_ = ack(ctx, nil)
	}
	if err := r.Close(t.Context()); err != nil || len(got) < 1000 || len(got) >= 20_000 {
		t.Fatalf("of half the file got %d rows, close: %v", len(got), err)
	}
	if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
	rest, err := drain(t, newReplay(t, marker, "paths: ["+path+"]"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := drain(t, newReplay(t, filepath.Join(t.TempDir(), "m"), "paths: ["+path+"]"))
	if got = append(got, rest...); err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("in two parts: got %d rows, want %d, error %v", len(got), len(want), err)
	}
}

// TestMarkerErrors: a marker of something else is refused, with what to do.
func TestMarkerErrors(t *testing.T) {
	path := write(t, "rows.csv", lines(10))
	for name, tc := range map[string]struct{ yaml, want string }{
		"another run":  {"paths: [" + path + "]\nrun: two", `is of run ""`},
		"another file": {"paths: [" + write(t, "other.csv", lines(10)) + "]", "has rows.csv as file 1, which is not there now"},
		"changed":      {"paths: [" + write(t, "rows.csv", lines(9)) + "]", "rows.csv was changed or packed in another way since"},
		"a second":     {"paths: [" + path + "]", "another replay uses it: wait for its end or stop it"},
	} {
		marker := filepath.Join(t.TempDir(), "m")
		if _, err := drain(t, newReplay(t, marker, "paths: ["+path+"]")); err != nil {
			t.Fatal(err)
		}
		if name == "a second" {
			unlock, err := lockMarker(marker)
			if err != nil {
				t.Fatal(err)
			}
			defer unlock()
		}
		r := newReplay(t, marker, tc.yaml)
		_, err := r.begin(t.Context())
		if got := fmt.Sprint(err); !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %s, want %s", name, got, tc.want)
		}
		_ = r.Close(t.Context())
	}
}

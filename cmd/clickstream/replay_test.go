package main

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/shopspring/decimal"

	"clickstream/internal/event"
)

const sampleFile = "../../config/sample.csv"

// replay runs pipelines/replay.yaml to its end, which must be in order.
func (s *stack) replay(file, marker string, env ...string) {
	s.t.Helper()
	p := s.pipeline("replay", append(env, "REPLAY_FILES="+file, "REPLAY_MARKER="+filepath.Join(s.dir, marker)))
	if code := p.exit(); code != 0 {
		s.t.Fatalf("replay of %s: exit code %d:\n%s", file, code, lastLines(p.out.String(), 20))
	}
}

// TestReplay sends the sample that ships through both pipelines as they ship: the table
// then holds the file, row by row. Sending it again adds nothing, whether the marker is
// there or not, and so does the same file packed.
func TestReplay(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil)
	s.replay(sampleFile, "m")
	want := readSample(t)
	s.awaitNumber("SELECT count() FROM clickstream.events", uint64(len(want)))
	rows, err := s.connect().Query(t.Context(), "SELECT toString(event_type), user_id, product_id, price, timestamp FROM clickstream.events")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var kind, user, product string
		var price decimal.Decimal
		var at time.Time
		if err := rows.Scan(&kind, &user, &product, &price, &at); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(kind, " ", user, " ", product, " ", price.StringFixed(2), " ", at.UTC().Format(time.RFC3339)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("the table is not the file: %d and %d rows; the first of each:\n%s\n%s", len(got), len(want), got[0], want[0])
	}
	if n := s.number("SELECT uniqExact(event_id) FROM clickstream.events"); n != uint64(len(want)) {
		t.Errorf("%d event ids for %d rows", n, len(want))
	}

	before := s.ends("clickstream")
	s.replay(sampleFile, "m")
	s.replay(sampleFile, "another")
	for _, codec := range []string{".gz", ".zst"} {
		s.replay(packSample(t, s.dir, codec), "m"+codec)
	}
	if after := s.ends("clickstream"); total(after) != total(before) {
		t.Errorf("replays of the same rows added %d records", total(after)-total(before))
	}
	s.replay(sampleFile, "next", "REPLAY_RUN=next")
	if after := s.ends("clickstream"); total(after) != 2*total(before) {
		t.Errorf("another run sent %d records, want %d", total(after)-total(before), total(before))
	}
	consume.stop()
}

// readSample reads the sample as the table should hold it, with nothing of ours.
func readSample(t *testing.T) (rows []string) {
	t.Helper()
	f, err := os.Open(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{"view": "page_view", "cart": "add_to_cart", "purchase": "purchase", "remove_from_cart": "remove_from_cart"}
	for _, r := range all[1:] {
		at, err := time.Parse("2006-01-02 15:04:05 UTC", r[0])
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprint(kinds[r[1]], " ", r[7], " ", r[2], " ", decimal.RequireFromString(r[6]).StringFixed(2), " ", at.Format(time.RFC3339)))
	}
	return rows
}

// packSample packs the sample under its name.
func packSample(t *testing.T, dir, codec string) string {
	t.Helper()
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sample.csv"+codec)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var w io.WriteCloser = gzip.NewWriter(f)
	if codec == ".zst" {
		if w, err = zstd.NewWriter(f); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.Write(text)
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReplayKill kills a replay with kill -9 again and again, wherever it is, and starts
// it again: in the end every row of the file is one record and one row of the table, and
// every row that is no event, all of the same bytes, one dead letter.
func TestReplayKill(t *testing.T) {
	const rows, bad, kills = 60_000, 600, 4
	s := newStack(t)
	path := filepath.Join(s.dir, "rows.csv")
	var text strings.Builder
	text.WriteString("event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n")
	at := time.Date(2019, 10, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		if i%100 == 7 {
			text.WriteString("not a row\n")
			continue
		}
		fmt.Fprintf(&text, "%s UTC,view,%d,1,,,9.99,%d,s\n", at.Add(time.Duration(i)*time.Second/3).Format(time.DateTime), i%50, i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	consume := s.pipeline("consume", nil)
	rnd := rand.New(rand.NewPCG(7, 5))
	env := []string{"REPLAY_FILES=" + path, "REPLAY_MARKER=" + filepath.Join(s.dir, "m"), "REPLAY_SPEED=2400x"} // 20,000 s in some 8 s
	for range kills {
		p := s.pipeline("replay", env)
		target := total(s.ends("clickstream")) + 1 + rnd.Int64N(rows/(kills+2))
		await(t, fmt.Sprintf("%d records", target), func() error {
			if n := total(s.ends("clickstream")); n < target {
				return fmt.Errorf("got %d", n)
			}
			return nil
		})
		p.kill()
	}
	if n := total(s.ends("clickstream")); n >= rows {
		t.Fatalf("%d records before the last start: this test would prove nothing", n)
	}
	s.replay(path, "m", "REPLAY_SPEED=as_is")

	seen, users, raw := map[string]bool{}, map[string]bool{}, 0
	for _, r := range s.read("clickstream") {
		id, ok := event.Lookup(r.Value, "event_id")
		if !ok || seen[string(id)] {
			t.Fatalf("record %d/%d is there twice, or has no id", r.Partition, r.Offset)
		}
		seen[string(id)] = true
		if user, ok := event.Lookup(r.Value, "user_id"); ok {
			users[string(user)] = true
		} else {
			raw++
		}
	}
	if n := total(s.ends("clickstream")); n != rows || raw != bad || len(users) != rows-bad {
		t.Errorf("the topic has %d records, %d of them no event, of %d users; want %d, %d and %d", n, raw, len(users), rows, bad, rows-bad)
	}
	s.drained()
	consume.stop()
	if n, letters := s.number("SELECT count() FROM clickstream.events"), s.number("SELECT count() FROM clickstream.dead_letters FINAL"); n != rows-bad || letters != bad {
		t.Errorf("%d rows and %d dead letters, want %d and %d", n, letters, rows-bad, bad)
	}
	before := total(s.ends("clickstream"))
	s.replay(path, "m")
	if after := total(s.ends("clickstream")); after != before {
		t.Errorf("a second replay added %d records", after-before)
	}
}

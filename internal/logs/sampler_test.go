package logs

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// play writes each line one second after the other and returns what came out.
func play(t *testing.T, lines ...string) string {
	t.Helper()
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	s := NewSampler(&out, func() time.Time { return clock })
	for _, l := range lines {
		if _, err := s.Write([]byte(l + "\n")); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(time.Second)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSampler(t *testing.T) {
	failed := func(n string) string { return `level=error msg="` + n + ` rows rejected" time="` + n + `"` }
	many := func(n int, line string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = line
		}
		return out
	}
	for name, tc := range map[string]struct {
		in   []string
		want string
	}{
		"info always passes":     {many(3, "level=info msg=hello"), strings.Repeat("level=info msg=hello\n", 3)},
		"an error passes once":   {[]string{failed("1"), failed("22"), failed("3")}, failed("1") + "\n"},
		"and again after 10 s":   {many(12, failed("1")), failed("1") + "\n" + failed("1") + " held_back=9\n"},
		"another error passes":   {[]string{"level=error msg=a", "level=error msg=b"}, "level=error msg=a\nlevel=error msg=b\n"},
		"json":                   {many(11, `{"level":"error","msg":"a"}`), `{"level":"error","msg":"a"}` + "\n" + `{"level":"error","msg":"a","held_back":9}` + "\n"},
		"events are not touched": {many(2, `{"event_id":"1"}`), strings.Repeat(`{"event_id":"1"}`+"\n", 2)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := play(t, tc.in...); got != tc.want {
				t.Errorf("\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

// TestPieces: a line may come in any pieces, and the last one without an end.
func TestPieces(t *testing.T) {
	const text = "level=info msg=a\nlevel=info msg=b"
	var out bytes.Buffer
	s := NewSampler(&out, time.Now)
	in := iotest.OneByteReader(strings.NewReader(text))
	for piece := make([]byte, 8); ; {
		n, err := in.Read(piece)
		if err != nil {
			break
		}
		if _, err := s.Write(piece[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
}

// TestBoundedShapes: many kinds of lines do not grow the memory without bound.
func TestBoundedShapes(t *testing.T) {
	s := NewSampler(&bytes.Buffer{}, time.Now)
	for i := range 3 * maxShapes {
		line := "level=error msg=" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26%60) + strings.Repeat("z", i/1560) + "\n"
		if _, err := s.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(s.seen); got > maxShapes {
		t.Errorf("%d shapes kept, want at most %d", got, maxShapes)
	}
}

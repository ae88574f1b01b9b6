package report

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		runs []float64
		want Spread
	}{
		{nil, Spread{}},
		{[]float64{4}, Spread{4, 4, 4}},
		{[]float64{3, 1, 2}, Spread{2, 1, 3}},
		{[]float64{4, 1, 2, 3}, Spread{2.5, 1, 4}},
	} {
		if got := Of(tc.runs...); got != tc.want {
			t.Errorf("Of(%v): got %v, want %v", tc.runs, got, tc.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]Delay, 100)
	for i := range hundred {
		hundred[len(hundred)-1-i] = Delay{time.Duration(i + 1), 1}
	}
	for _, tc := range []struct {
		delays []Delay
		q      float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred, 0, 1},
		{[]Delay{{7, 1}}, 0.99, 7},
		{[]Delay{{900, 1}, {5, 99}}, 0.99, 5},
		{[]Delay{{900, 2}, {5, 98}}, 0.99, 900},
	} {
		if got := Quantile(tc.delays, tc.q); got != tc.want {
			t.Errorf("Quantile(%d delays, %g): got %d, want %d", len(tc.delays), tc.q, got, tc.want)
		}
	}
}

func TestTable(t *testing.T) {
	got := Table([]string{"what", "rows/s"}, []string{"a", Count(1234567)}, []string{"b", Count(-1000)}, []string{"c", Count(999)})
	want := "| what | rows/s |\n|---|---|\n| a | 1,234,567 |\n| b | -1,000 |\n| c | 999 |\n"
	if got != want {
		t.Errorf("table\n got %q\nwant %q", got, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("a short row: got no panic")
		}
	}()
	Table([]string{"a", "b"}, []string{"c"})
}

func TestSplice(t *testing.T) {
	const page = "# Page\n<!-- x: begin -->\nold\n<!-- x: end -->\nrest\n"
	for name, tc := range map[string]struct{ page, mark, want, err string }{
		"twice the same": {page, "x", "# Page\n<!-- x: begin -->\nnew\n<!-- x: end -->\nrest\n", ""},
		"no mark":        {page, "y", "", `line "<!-- y: begin -->": want it once, got it 0 times`},
		"two begins":     {page + "<!-- x: begin -->\n", "x", "", `line "<!-- x: begin -->": want it once, got it 2 times`},
		"wrong order":    {"<!-- x: end -->\n<!-- x: begin -->\n", "x", "", `line "<!-- x: end -->": want it after "<!-- x: begin -->"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Splice(tc.page, tc.mark, "new\n\n")
			if got != tc.want || err != nil && err.Error() != tc.err || err == nil && tc.err != "" {
				t.Errorf("got %q, %v\nwant %q, %s", got, err, tc.want, tc.err)
			}
			if err == nil {
				again, err := Splice(got, tc.mark, "new")
				if err != nil || again != got {
					t.Errorf("again\n got %q, %v\nwant %q", again, err, got)
				}
			}
		})
	}
}

func FuzzSplice(f *testing.F) {
	f.Add("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n", "new")
	f.Fuzz(func(t *testing.T, page, text string) {
		got, err := Splice(page, "x", text)
		if err != nil || strings.Contains(text, "<!-- x: ") {
			return
		}
		if again, err := Splice(got, "x", text); err != nil || again != got {
			t.Errorf("twice: got %q, %v, want %q", again, err, got)
		}
		if fmt.Sprint(strings.Count(got, "<!-- x: ")) != "2" {
			t.Errorf("marks: got %q", got)
		}
	})
}

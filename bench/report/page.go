package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Table writes a Markdown table: the first row is its head. Cells must not hold a
// bar or a new line; rows of another length than the head are a bug and panic.
func Table(rows ...[]string) string {
	var b strings.Builder
	for i, row := range rows {
		if len(row) != len(rows[0]) {
			panic(fmt.Sprintf("report: row %d has %d cells, the head has %d", i, len(row), len(rows[0])))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}

// Count writes a number without decimals, its thousands parted: 1,234,567.
func Count(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return sign + text
}

// Splice replaces what stands between the two lines that hold the marks of a name:
// <!-- name: begin --> and <!-- name: end -->. The lines stay.
func Splice(page, name, text string) (string, error) {
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	for _, mark := range []string{begin, end} {
		if n := strings.Count(page, mark); n != 1 {
			return "", fmt.Errorf("line %q: want it once, got it %d times", strings.TrimSpace(mark), n)
		}
	}
	head, rest, _ := strings.Cut(page, begin)
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("line %q: want it after %q", strings.TrimSpace(end), strings.TrimSpace(begin))
	}
	return head + begin + strings.TrimRight(text, "\n") + "\n" + end + tail, nil
}

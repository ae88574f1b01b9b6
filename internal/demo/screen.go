package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// plainEvery is the time between two status lines where they cannot be rewritten:
// in a log of a CI run, a line a second would bury the rest.
const plainEvery = 5 * time.Second

// screen prints lines that stay and one that is rewritten.
type screen struct {
	mu  sync.Mutex
	out io.Writer
	// width returns the terminal's columns; 0: not a terminal.
	width func() int
	open  bool      // the status line is on the screen
	last  time.Time // of the last status line where it cannot be rewritten
}

// newScreen prints to f, and rewrites if f is a terminal that can.
func newScreen(f *os.File) *screen {
	return &screen{out: f, width: func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || os.Getenv("TERM") == "dumb" {
			return 0
		}
		return width
	}}
}

// say prints lines that stay, above the status line.
func (s *screen) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		io.WriteString(s.out, "\r\x1b[K") //nolint:errcheck // a terminal that is gone has no reader to tell
		s.open = false
	}
	fmt.Fprintln(s.out, strings.TrimRight(text, "\n"))
}

// status shows the newest numbers.
func (s *screen) status(now time.Time, st status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	width := s.width()
	if width > 0 {
		fmt.Fprintf(s.out, "\r%s\x1b[K", statusLine(st, width-1))
		s.open = true
		return
	}
	if now.Sub(s.last) >= plainEvery-refresh/2 { // looks come a little early or late
		s.last = now
		fmt.Fprintln(s.out, statusLine(st, 0))
	}
}

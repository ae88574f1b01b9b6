// Package logs keeps a repeating error from flooding the log: the first line is
// written, those like it within ten seconds are counted, and the next one that is
// written says how many there were.
package logs

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Window is how long lines like one that was written are held back.
const Window = 10 * time.Second

// maxShapes bounds the memory for kinds of lines; past it all is forgotten, which
// costs at most one line more of each kind.
const maxShapes = 1000

// Sampler passes lines on to a writer, except warnings and errors that look like
// one of the last ten seconds: alike means equal but for digits and the time.
// Benthos logs each batch that a row was rejected from; without this, one bad
// producer fills the disk with the same sentence.
type Sampler struct {
	out io.Writer
	now func() time.Time

	mu   sync.Mutex
	rest []byte // the beginning of a line whose end has not come yet
	seen map[string]*shape
}

// shape is what is known of one kind of line.
type shape struct {
	until time.Time
	held  int
}

// NewSampler returns a Sampler that writes to out and asks now for the time.
func NewSampler(out io.Writer, now func() time.Time) *Sampler {
	return &Sampler{out: out, now: now, seen: map[string]*shape{}}
}

// Write takes any piece of the log, split anywhere. It always takes all of it; the
// error is the underlying writer's.
func (s *Sampler) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	for {
		end := bytes.IndexByte(s.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		if err := s.line(s.rest[:end]); err != nil {
			return len(p), err
		}
		s.rest = s.rest[end+1:]
	}
}

// Close writes a line that had no end yet.
func (s *Sampler) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		return nil
	}
	_, err := s.out.Write(s.rest)
	s.rest = nil
	return err
}

func (s *Sampler) line(line []byte) error {
	held := 0
	if repeats(line) {
		now := s.now()
		kind := s.shapeOf(line)
		if now.Before(kind.until) {
			kind.held++
			return nil
		}
		held, kind.held, kind.until = kind.held, 0, now.Add(Window)
	}
	_, err := s.out.Write(append(withHeld(line, held), '\n'))
	return err
}

func (s *Sampler) shapeOf(line []byte) *shape {
	key := string(fingerprint(line))
	kind, ok := s.seen[key]
	if !ok {
		if len(s.seen) >= maxShapes {
			clear(s.seen)
		}
		kind = &shape{}
		s.seen[key] = kind
	}
	return kind
}

// repeats tells whether line is a warning or an error, in either of Benthos'
// formats (logfmt and json).
func repeats(line []byte) bool {
	for _, level := range []string{"level=error", "level=warning", `"level":"error"`, `"level":"warning"`} {
		if bytes.Contains(line, []byte(level)) {
			return true
		}
	}
	return false
}

// fingerprint is line without its digits, which are counts, ports and the time.
func fingerprint(line []byte) []byte {
	out := make([]byte, 0, len(line))
	for _, c := range line {
		if c < '0' || c > '9' {
			out = append(out, c)
		}
	}
	return out
}

// withHeld adds how many lines like this one were held back before it.
func withHeld(line []byte, held int) []byte {
	switch {
	case held == 0:
		return line
	case bytes.HasSuffix(line, []byte("}")):
		return fmt.Appendf(line[:len(line)-1:len(line)-1], `,"held_back":%d}`, held)
	default:
		return fmt.Appendf(line[:len(line):len(line)], " held_back=%d", held)
	}
}

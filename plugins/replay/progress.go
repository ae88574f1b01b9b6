package replay

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"golang.org/x/term"
)

// How often progress is shown: redrawn on a terminal, a line each otherwise.
const (
	drawEvery = 250 * time.Millisecond
	lineEvery = 10 * time.Second
)

// progress tells how far a replay is. Its counters may be used at the same time.
type progress struct {
	rows  atomic.Int64 // handed out
	known atomic.Int64 // in the topic already
	time  atomic.Int64 // of the last event, in the file, Unix ms

	quiet    bool
	terminal bool
	width    int
	reader   *reader
	start    time.Time
	begun    int64 // bytes that lie before the start

	mu       sync.Mutex
	reasons  map[string]bool
	warnedAt time.Time
}

// begin notes where the replay starts.
func (p *progress) begin(r *replay) {
	p.quiet, p.reader, p.start = r.config.quiet, r.reader, time.Now()
	p.begun = r.reader.done
	if f := r.marker.At.File; f < len(r.reader.files) && r.reader.files[f].codec == "" {
		p.begun += r.marker.At.Offset
	}
	r.reader.taken.Store(p.begun)
	fd := int(os.Stderr.Fd())
	if p.terminal = term.IsTerminal(fd); p.terminal {
		p.width = 80
		if width, _, err := term.GetSize(fd); err == nil && width > 20 {
			p.width = width
		}
	}
}

// run shows progress until ctx ends.
func (p *progress) run(ctx context.Context, log *service.Logger) {
	if p.quiet {
		return
	}
	every := lineEvery
	if p.terminal {
		every = drawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s := p.state(now)
			if p.terminal {
				fmt.Fprintf(os.Stderr, "\r%s\x1b[K", s.bar(p.width-1))
				continue
			}
			log.With("rows", s.rows, "rows_per_second", int64(s.rate), "percent", fmt.Sprintf("%.1f", 100*s.share), "left", s.left(), "event_time", s.at()).Info("replaying")
		case <-ctx.Done():
			return
		}
	}
}

// end shows the sum.
func (p *progress) end(r *replay) {
	if p.quiet {
		return
	}
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	s := p.state(time.Now())
	p.mu.Lock()
	defer p.mu.Unlock()
	r.log.With("rows", s.rows, "known", p.known.Load(), "percent", fmt.Sprintf("%.1f", 100*s.share), "rows_per_second", int64(s.rate), "marker", r.path).Info("replay ended")
}

// state is what is shown.
type state struct {
	rows  int64
	rate  float64 // rows a second since the start
	share float64 // of the bytes, 0 to 1
	eta   time.Duration
	event int64
}

func (p *progress) state(now time.Time) state {
	s := state{rows: p.rows.Load(), event: p.time.Load(), share: 1}
	seconds := max(now.Sub(p.start).Seconds(), 0.001)
	s.rate = float64(s.rows) / seconds
	total, taken := p.reader.total(), p.reader.taken.Load()
	if total > 0 {
		s.share = min(float64(taken)/float64(total), 1)
	}
	s.eta = -1
	if speed := float64(taken-p.begun) / seconds; speed > 0 {
		s.eta = time.Duration(float64(total-taken) / speed * float64(time.Second))
	}
	return s
}

// left is the time that remains, "?" before anybody knows.
func (s state) left() string {
	if s.eta < 0 {
		return "?"
	}
	return s.eta.Round(time.Second).String()
}

// at is the time of the last event.
func (s state) at() string {
	if s.event == 0 {
		return "?"
	}
	return time.UnixMilli(s.event).UTC().Format(time.DateTime)
}

// bar draws one line of at most width characters.
func (s state) bar(width int) string {
	text := fmt.Sprintf(" %5.1f%%  %d rows  %.0f rows/s  %s left  %s", 100*s.share, s.rows, s.rate, s.left(), s.at())
	room := min(width-len(text)-2, 40)
	if room < 5 {
		return strings.TrimLeft(text, " ")[:min(width, len(strings.TrimLeft(text, " ")))]
	}
	full := int(float64(room) * s.share)
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "]" + text
}

// refused reports whether a reason is a new one.
func (p *progress) refused(reason string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reasons[reason] {
		return false
	}
	if p.reasons == nil {
		p.reasons = map[string]bool{}
	}
	p.reasons[reason] = true
	return true
}

// trouble warns at most once per lineEvery.
func (p *progress) trouble(log *service.Logger, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.warnedAt) >= lineEvery {
		p.warnedAt = now
		log.With("error", err).Warn("marker is not up to date, trying again")
	}
}

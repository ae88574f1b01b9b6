package broker

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// logEvery is the shortest time between two lines of one kind.
const logEvery = 10 * time.Second

// sparse logs at most one line per logEvery and says how many it left out.
type sparse struct {
	log     *slog.Logger
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func newSparse(log *slog.Logger) *sparse { return &sparse{log: log} }

func (s *sparse) warn(msg string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && time.Since(s.last) < logEvery {
		s.skipped++
		return
	}
	if s.skipped > 0 {
		args = append(args, "left_out", s.skipped)
	}
	s.last, s.skipped = time.Now(), 0
	s.log.Warn(msg, args...)
}

// clusterLog takes kfake's own warnings: files it could not write or had to cut.
type clusterLog struct{ log *slog.Logger }

func (l clusterLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level <= kfake.LogLevelWarn {
		l.log.Warn("broker storage", "cause", fmt.Sprintf(format, args...))
	}
}

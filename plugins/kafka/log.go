package kafka

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

// logEvery is how often a warning of one kind may show.
const logEvery = 10 * time.Second

// limiter is a log in which each kind of warning shows once per logEvery. The
// rest are debug lines, and counters tell how many there were.
type limiter struct {
	log *service.Logger
	// quiet holds franz-go's own warnings back while our own line already says that
	// no broker answers.
	quiet atomic.Bool

	mu   sync.Mutex
	next map[string]time.Time // by kind: constant texts, so a handful
}

func newLimiter(log *service.Logger) *limiter {
	return &limiter{log: log, next: map[string]time.Time{}}
}

// Warn logs text at most once per logEvery. text must be constant: it is the kind.
func (l *limiter) Warn(text string, keyvals ...any) {
	if l.due(text) {
		l.log.With(keyvals...).Warn(text)
	}
}

// Error is Warn for what needs a person.
func (l *limiter) Error(text string, keyvals ...any) {
	if l.due(text) {
		l.log.With(keyvals...).Error(text)
	}
}

func (l *limiter) due(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.next[kind]) {
		return false
	}
	l.next[kind] = now.Add(logEvery)
	return true
}

// kgoLog lets franz-go write to our log: its chatter as debug, its warnings and
// errors limited. It never logs record contents.
type kgoLog struct{ *limiter }

// Level is fixed: franz-go's debug lines are one per request, and formatting them
// only to drop them would cost more than the requests.
func (kgoLog) Level() kgo.LogLevel { return kgo.LogLevelInfo }

// Log implements kgo.Logger.
func (k kgoLog) Log(level kgo.LogLevel, text string, keyvals ...any) {
	if level <= kgo.LogLevelWarn && !k.quiet.Load() {
		k.Warn("kafka client: "+text, keyvals...)
		return
	}
	k.log.With(keyvals...).Debug("kafka client: " + text)
}

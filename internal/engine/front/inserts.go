package front

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"clickstream/internal/engine/chdb"
)

// receiveTimeout is how long an INSERT waits for its client's next rows, as
// ClickHouse's receive_timeout: a stopped client must not keep its slot for ever.
const receiveTimeout = 5 * time.Minute

// wait is an INSERT's wait for rows; it can be ended from outside.
type wait struct {
	deadline func(time.Time) error // sets that of the connection's reads
	killed   atomic.Bool
}

// extend is called before each read.
func (w *wait) extend() {
	_ = w.deadline(time.Now().Add(receiveTimeout))
	if w.killed.Load() {
		_ = w.deadline(past)
	}
}

// abort makes the read that runs fail, and every later one.
func (w *wait) abort() {
	w.killed.Store(true)
	_ = w.deadline(past)
}

// why returns what a failed insert's client is told.
func (w *wait) why(err error) error {
	if w.killed.Load() {
		return chdb.NewError(394, "QUERY_WAS_CANCELLED", "Query was cancelled")
	}
	return err
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// inserts are the INSERTs whose rows are still on their way, by comment. The engine
// notices a KILL only when the next bytes come, and a client that was stopped may
// never send them; so whoever kills looks here too.
type inserts struct {
	mu    sync.Mutex
	waits map[string]*wait
}

// add registers the wait of an insert, and returns what takes it out again.
func (i *inserts) add(comment string, w *wait) (remove func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.waits == nil {
		i.waits = map[string]*wait{}
	}
	i.waits[comment] = w
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.waits[comment] == w { // another insert may have taken the id
			delete(i.waits, comment)
		}
		_ = w.deadline(time.Time{})
	}
}

// abort ends the wait registered under comment, if there is one.
func (i *inserts) abort(comment string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if w := i.waits[comment]; w != nil {
		w.abort()
	}
}

// killPoll is how often a KILL looks for inserts to abort: a SYNC one waits for
// them to end.
const killPoll = 50 * time.Millisecond

// whileKilling aborts cancelled inserts until the returned function is called,
// once more then, and waits for that.
func (b *Backend) whileKilling() (done func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(killPoll)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				b.abortCancelled()
			case <-stop:
				b.abortCancelled()
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (b *Backend) abortCancelled() {
	c, err := b.engine.Connect()
	if err != nil {
		return
	}
	defer c.Close()
	text, err := c.Text("SELECT Settings['log_comment'] FROM system.processes WHERE is_cancelled", "TSVRaw")
	if err != nil {
		return
	}
	for comment := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		b.open.abort(comment)
	}
}

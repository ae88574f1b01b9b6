package front

import (
	"strings"
	"sync"
	"time"

	"clickstream/internal/engine/chdb"
)

// inserts are the INSERTs whose rows are still on their way, by comment. The engine
// notices a KILL only when the next bytes come, and a client that was stopped may
// never send them; so whoever kills looks here too.
type inserts struct {
	mu    sync.Mutex
	abort map[string]func()
}

// add registers what ends the wait for a client's rows.
func (i *inserts) add(comment string, abort func()) (remove func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.abort == nil {
		i.abort = map[string]func(){}
	}
	i.abort[comment] = abort
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(i.abort, comment)
	}
}

// get returns what was registered under comment; nil if there is nothing.
func (i *inserts) get(comment string) func() {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.abort[comment]
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
		if abort := b.open.get(comment); abort != nil {
			abort()
		}
	}
}

// errKilled is what the client of an aborted insert is told.
var errKilled = chdb.NewError(394, "QUERY_WAS_CANCELLED", "Query was cancelled")

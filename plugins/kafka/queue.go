package kafka

import "sync"

// queue holds the batches that wait for the pipeline. It has no length limit of
// its own: what the input holds in all is limited in bytes before it polls
// (max_in_flight_bytes), so adding never blocks and no lock is held across a wait.
type queue struct {
	mu    sync.Mutex
	fresh []*batch // in the order of the log, per partition
	again []*batch // to be delivered again: they go first, so that commits can move on
	wake  chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// Push adds batches that were just polled.
func (q *queue) Push(batches ...*batch) {
	if len(batches) == 0 {
		return
	}
	q.mu.Lock()
	q.fresh = append(q.fresh, batches...)
	q.mu.Unlock()
	q.signal()
}

// PushAgain adds a batch that the pipeline gave back.
func (q *queue) PushAgain(b *batch) {
	q.mu.Lock()
	q.again = append(q.again, b)
	q.mu.Unlock()
	q.signal()
}

// Pop returns the next batch, or nil if there is none: then Wait tells when to
// look again.
func (q *queue) Pop() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	from := &q.again
	if len(*from) == 0 {
		from = &q.fresh
	}
	if len(*from) == 0 {
		return nil
	}
	b := (*from)[0]
	(*from)[0] = nil
	*from = (*from)[1:]
	if len(*from) == 0 {
		*from = nil // the array behind it goes with its last batch
	}
	return b
}

// Wait yields after a push. One reader only.
func (q *queue) Wait() <-chan struct{} { return q.wake }

// Take removes and returns every batch that drop says yes to.
func (q *queue) Take(drop func(*batch) bool) []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken []*batch
	for _, list := range []*[]*batch{&q.fresh, &q.again} {
		kept := make([]*batch, 0, len(*list))
		for _, b := range *list {
			if drop(b) {
				taken = append(taken, b)
				continue
			}
			kept = append(kept, b)
		}
		*list = kept
	}
	return taken
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

package broker

import (
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// minRoom is how much of the disk stays free of records: for offsets, snapshots
	// and the requests that are under way.
	minRoom = 16 << 20
	// lookAfter and lookEvery say when the free space is looked at again.
	lookAfter = 1 << 20
	lookEvery = 100 * time.Millisecond
)

// room refuses records with KAFKA_STORAGE_ERROR while the disk is all but full, which
// clients retry. It must be before kfake tries: a write that fails is for kfake a
// sequence number taken, so that it would hold the retry for a duplicate, stored.
type room struct {
	dir     string
	cluster *kfake.Cluster
	warn    *sparse
	free    func(dir string) (int64, error)

	mu     sync.Mutex
	taken  int64 // bytes let through since the last look
	looked time.Time
	full   *kfake.FaultHandle
}

func newRoom(dir string, cluster *kfake.Cluster, warn *sparse) *room {
	return &room{dir: dir, cluster: cluster, warn: warn, free: freeBytes}
}

// take is told of n bytes of records before kfake sees them.
func (r *room) take(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken += int64(n); r.taken < lookAfter && time.Since(r.looked) < lookEvery {
		return
	}
	free, err := r.free(r.dir)
	if err != nil {
		r.warn.warn("free space of the disk unknown", "cause", err)
		return
	}
	r.looked = time.Now()
	full := free < minRoom+r.taken+int64(n)
	r.taken = 0
	switch {
	case full && r.full == nil:
		r.full = r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1})
	case !full && r.full != nil:
		r.full.Remove()
		r.full = nil
	}
	if full {
		r.warn.warn("disk full: records are refused until there is room", "free_bytes", free)
	}
}

func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail * uint64(s.Bsize)), nil
}

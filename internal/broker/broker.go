// Package broker is a Kafka broker for one machine: franz-go's kfake, which speaks
// the whole protocol and keeps its log on disk, behind the guards it lacks. A
// listener refuses what is no Kafka request (door.go, frame.go), a request that makes
// kfake panic ends its connection only (loop.go), others are mended or refused before
// kfake acts on them (screen.go), an answer waits until its records are on disk
// (flush.go), a janitor bounds the disk without ever deleting an unread record
// (janitor.go, room.go), a warden lets no consumer group wait for the dead
// (warden.go), and a lock keeps a second broker off the data.
//
// It is for development, demonstrations and tests: one node, no replication.
package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"clickstream/internal/process"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	loop    *loop
	door    *door
	addr    string
	janitor *janitor
	warden  *warden
	unlock  func() error
	once    sync.Once
}

// Start opens the data folder, which no other broker may hold, and serves. Records
// that were acknowledged and offsets that were committed before a kill are there
// again.
func Start(c Config) (*Broker, error) {
	c = c.withDefaults()
	if err := checkLoopback(c.Listen); err != nil {
		return nil, err
	}
	unlock, err := process.LockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	b, err := start(c)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	b.unlock = unlock
	return b, nil
}

func start(c Config) (*Broker, error) {
	if err := makePrivate(c.Dir); err != nil {
		return nil, fmt.Errorf("broker data in %q: %w", c.Dir, err)
	}
	ln, err := listen(c.Listen)
	if err != nil {
		return nil, err
	}
	lobby := &lobby{}
	door := guard(ln, lobby, c.Idle, c.Log)
	cluster, err := open(c, door)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("broker data in %q: %w", c.Dir, err)
	}
	b := &Broker{cluster: cluster, door: door, addr: ln.Addr().String()}
	b.janitor, err = newJanitor(c, b)
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("broker janitor: %w", err)
	}
	b.warden, err = newWarden(c, b, lobby)
	if err != nil {
		b.janitor.client.Close()
		cluster.Close()
		return nil, fmt.Errorf("broker warden: %w", err)
	}
	b.loop = supervise(cluster, c.Log, func(req kmsg.Request) {
		door.end(req)
		b.warden.disbandAll()
	})
	screen(cluster, c.Dir, b.loop.took)
	door.room = newRoom(c.Dir, cluster, newSparse(c.Log))
	if !c.NoFlush {
		door.disk = newFlusher(c.Dir, newSparse(c.Log))
	}
	door.open()
	b.janitor.start()
	b.warden.start()
	return b, nil
}

func open(c Config, ln net.Listener) (*kfake.Cluster, error) {
	if err := prepare(c.Dir, c.Log); err != nil {
		return nil, err
	}
	cluster, err := kfake.NewCluster(options(c, ln)...)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(c.Dir, windowsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		cluster.Close()
		return nil, err
	}
	return cluster, nil
}

// makePrivate keeps other users of the machine off what is in the folder. What kfake
// makes later it would let everyone read, but for the folders around it.
func makePrivate(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600)
		switch {
		case d.IsDir():
			mode = 0o700
		case !d.Type().IsRegular():
			return nil
		}
		return os.Chmod(path, mode)
	})
}

// Addr returns the address the broker serves on, host:port.
func (b *Broker) Addr() string { return b.addr }

// Close stops serving and writes snapshots, so that the next start is quick and
// remembers which records an idempotent producer has sent. It may be called twice.
func (b *Broker) Close() error {
	var err error
	b.once.Do(func() {
		b.janitor.close() // first: they would wait for ever on a closed cluster
		b.warden.close()
		b.cluster.Close()
		<-b.loop.done
		if b.door.disk != nil {
			b.door.disk.close()
		}
		err = b.unlock()
	})
	return err
}

func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: want host:port such as "+defaultListen, addr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %q: want a loopback address such as 127.0.0.1: this broker has no encryption and no passwords, "+
		"use Apache Kafka to serve other machines", addr)
}

func listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by %s: stop it, or choose another with --listen", addr, process.PortHolder(addr))
	}
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", addr, err)
	}
	return ln, nil
}

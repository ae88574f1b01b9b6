// Package stage is what the end-to-end bench plays on: a broker and an engine as
// child processes on loopback, with data that is gone afterwards, and the topics and
// tables that a run needs.
package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Options say what a stage is made of.
type Options struct {
	// Repo is the root of the checkout, Data a folder that a folder is made in.
	Repo, Data string
	// Kafka takes Apache Kafka (bench/kafka) instead of `clickstream broker`.
	Kafka bool
	// Tables is the folder of the engine's tables, which stays; "" is one that is gone
	// afterwards.
	Tables string
}

// Stage is a broker and an engine that run, and the programs that play on it.
type Stage struct {
	Options
	// Brokers, Native and HTTP are addresses.
	Brokers, Native, HTTP string
	Broker, Engine        *Child
	// Clickstream and Limit are the built programs.
	Clickstream, Limit string
	// Kafka's administration, and the engine's default database.
	Admin *kadm.Client
	Conn  driver.Conn

	dir         string
	alive, hold *os.File // a pipe: see process.OnParentDeath
	children    []*Child
}

// startLimit is how long a server may take until it serves. Kafka needs 5 s on two
// idle cores.
const startLimit = time.Minute

// Open builds the programs and starts the servers. Close the stage in any case.
func Open(ctx context.Context, o Options) (*Stage, error) {
	runtime.LockOSThread() // see Start
	dir, err := os.MkdirTemp(o.Data, "clickstream-bench-")
	if err != nil {
		return nil, err
	}
	s := &Stage{Options: o, dir: dir, Clickstream: filepath.Join(dir, "clickstream"), Limit: filepath.Join(dir, "limit")}
	if s.alive, s.hold, err = os.Pipe(); err != nil {
		return s, err
	}
	if err := s.build(ctx); err != nil {
		return s, err
	}
	if err := s.startEngine(ctx); err != nil {
		return s, err
	}
	if err := s.startBroker(ctx); err != nil {
		return s, err
	}
	return s, s.Topic(ctx, deadLetters, 1)
}

// deadLetters is the topic of the pipelines' dead letters; they would wait for it.
const deadLetters = "clickstream-dead-letters"

func (s *Stage) build(ctx context.Context) error {
	for path, pkg := range map[string]string{s.Clickstream: "./cmd/clickstream", s.Limit: "./bench/limit"} {
		if err := s.Run(ctx, Command{Name: "build " + filepath.Base(path), Env: []string{"CGO_ENABLED=0"},
			Args: []string{"go", "build", "-C", s.Repo, "-trimpath", "-o", path, pkg}}); err != nil {
			return err
		}
	}
	return nil
}

// Run runs a program to its end, which is due within ten minutes.
func (s *Stage) Run(ctx context.Context, c Command) error {
	child, err := s.Start(c)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _, _ = child.Stop() })
	defer stop()
	_, err = child.Wait(10 * time.Minute)
	return err
}

func (s *Stage) startEngine(ctx context.Context) (err error) {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	s.Native, s.HTTP = loopback(ports[0]), loopback(ports[1])
	if s.Engine, err = s.Start(Command{Name: "engine", Args: []string{s.Clickstream, "engine",
		"--data", cmp.Or(s.Tables, filepath.Join(s.dir, "engine")), "--native", s.Native, "--http", s.HTTP}}); err != nil {
		return err
	}
	s.Conn, err = clickhouse.Open(&clickhouse.Options{Addr: []string{s.Native}})
	if err != nil {
		return err
	}
	return s.ready(ctx, s.Engine, func() error { return s.Conn.Ping(ctx) })
}

func (s *Stage) startBroker(ctx context.Context) (err error) {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	s.Brokers = loopback(ports[0])
	c := Command{Name: "broker", Args: []string{s.Clickstream, "broker", "--data", filepath.Join(s.dir, "broker"), "--listen", s.Brokers}}
	if s.Kafka {
		c.Args = []string{filepath.Join(s.Repo, "bench/kafka/kafka"), "start", filepath.Join(s.dir, "kafka"), strconv.Itoa(ports[0]), strconv.Itoa(ports[1])}
	}
	if s.Broker, err = s.Start(c); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers))
	if err != nil {
		return err
	}
	s.Admin = kadm.NewClient(client)
	return s.ready(ctx, s.Broker, func() error {
		if s.Kafka && !s.Broker.says("Kafka Server started") { // it answers before it can serve
			return errors.New("not started yet")
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := s.Admin.BrokerMetadata(ctx)
		return err
	})
}

// ready asks until a server answers.
func (s *Stage) ready(ctx context.Context, c *Child, ask func() error) error {
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-limit.Done():
			return fmt.Errorf("%s: does not serve: %w\n%s", c.Name, err, c.Tail())
		case <-c.Done():
			return fmt.Errorf("%s: ended at once\n%s", c.Name, c.Tail())
		case <-tick.C:
		}
	}
}

// Close stops all children, the last one first, and deletes the data.
func (s *Stage) Close() error {
	if s == nil {
		return nil
	}
	if s.Admin != nil {
		s.Admin.Close()
	}
	if s.Conn != nil {
		_ = s.Conn.Close()
	}
	var errs []error
	for _, c := range slices.Backward(s.children) {
		select {
		case <-c.Done(): // whoever started it has seen how
		default:
			_, err := c.Stop()
			var exit interface{ ExitCode() int }
			if errors.As(err, &exit) && exit.ExitCode() == javaTerminated {
				err = nil
			}
			errs = append(errs, err)
		}
	}
	if s.hold != nil {
		s.hold.Close()
		s.alive.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// javaTerminated is how Java ends on SIGTERM: 128 and the signal.
const javaTerminated = 143

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns ports that were free a moment ago.
func freePorts(n int) (ports []int, _ error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

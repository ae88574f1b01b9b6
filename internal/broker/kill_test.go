package broker

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// childEnv makes the test binary a broker: folder and address, split by a space.
// noFlushEnv lets it acknowledge what is not on disk.
const (
	childEnv   = "BROKER_TEST_CHILD"
	noFlushEnv = "BROKER_TEST_NO_FLUSH"
)

func TestMain(m *testing.M) {
	if dir, addr, ok := strings.Cut(os.Getenv(childEnv), " "); ok {
		serve(dir, addr)
	}
	os.Exit(m.Run())
}

func serve(dir, addr string) {
	b, err := Start(Config{Dir: dir, Listen: addr, NoFlush: os.Getenv(noFlushEnv) != ""})
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(b.Addr() + "\n")
	select {}
}

// child starts a broker process and returns its address once it serves.
func child(t *testing.T, dir, addr string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir+" "+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("broker process: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // an error says that it is dead already
	_ = cmd.Wait()
}

// TestKill kills a broker four times under load: every record that was acknowledged
// is read afterwards, each once, the group goes on from its commits, and the clients
// that saw it all need no restart.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := child(t, dir, "127.0.0.1:0")
	cl := client(t, addr)
	createTopic(t, cl, topic, 3)
	id := identity(t, cl)

	acks := load(t, cl)
	for range 4 {
		from := acks.count()
		eventually(t, "records are acknowledged", func() bool { return acks.count() > from+2000 })
		kill(cmd)
		cmd, _ = child(t, dir, addr)
	}
	from := acks.count()
	eventually(t, "records are acknowledged after the last kill", func() bool { return acks.count() > from })
	acked := acks.stop()

	if got := identity(t, cl); got != id {
		t.Errorf("cluster and topic id after the kills\n got %s\nwant %s", got, id)
	}
	seen := consume(t, client(t, addr, kgo.ConsumeTopics(topic)), acked)
	for i := range acked {
		if n := seen[strconv.Itoa(i)]; n != 1 {
			t.Errorf("acknowledged record %d is in the log %d times", i, n)
		}
	}
}

// TestKillKeepsOffsets kills a broker after a commit: the group reads on from it.
func TestKillKeepsOffsets(t *testing.T) {
	dir := t.TempDir()
	cmd, addr := child(t, dir, "127.0.0.1:0")
	cl := client(t, addr)
	createTopic(t, cl, topic, 3)
	produce(t, cl, 0, 100)
	group := client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	consume(t, group, 100)
	if err := group.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	kill(cmd)
	group.CloseAllowingRebalance()

	child(t, dir, addr)
	produce(t, cl, 100, 150)
	again := client(t, addr, kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic))
	for value := range consume(t, again, 50) {
		if n, _ := strconv.Atoi(value); n < 100 {
			t.Errorf("record %s was read again after its commit", value)
		}
	}
}

// acked counts how many records of a load have been acknowledged in a row.
type acked struct {
	mu   sync.Mutex
	n    int
	halt context.CancelFunc
	done chan struct{}
}

// load produces numbered records, a few hundred in flight, until stopped.
func load(t *testing.T, cl *kgo.Client) *acked {
	ctx, cancel := context.WithCancel(t.Context())
	a := &acked{halt: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for next := 0; ctx.Err() == nil; next += 200 {
			records := make([]*kgo.Record, 200)
			for i := range records {
				text := []byte(strconv.Itoa(next + i))
				records[i] = &kgo.Record{Key: text, Value: text}
			}
			// Not ctx: a record once sent is waited for.
			if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Errorf("produce: %v", err)
				return
			}
			a.mu.Lock()
			a.n = next + 200
			a.mu.Unlock()
		}
	}()
	return a
}

func (a *acked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}

// stop ends the load and returns how many records were acknowledged.
func (a *acked) stop() int {
	a.halt()
	select {
	case <-a.done:
	case <-time.After(30 * time.Second):
	}
	return a.count()
}

// TestKillAfterCleanRestart: the state that a clean stop leaves for producers is
// stale once the next run is killed; a producer that lived through both goes on.
func TestKillAfterCleanRestart(t *testing.T) {
	dir := t.TempDir()
	b := startTest(t, Config{Dir: dir, Listen: "127.0.0.1:0"})
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 3)
	produce(t, cl, 0, 300)
	b.Close()
	cmd, addr := child(t, dir, b.Addr())
	produce(t, cl, 300, 600)
	produce(t, cl, 600, 900)
	kill(cmd)
	child(t, dir, addr)
	produce(t, cl, 900, 1200)
	for value, times := range consume(t, client(t, addr, kgo.ConsumeTopics(topic)), 1200) {
		if times != 1 {
			t.Errorf("record %s was stored %d times", value, times)
		}
	}
}

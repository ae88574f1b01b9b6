package kafka

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// childEnv makes the test binary a reader that acknowledges what it reads, and says
// so, until it is killed.
const childEnv = "CLICKSTREAM_TEST_READER"

func TestMain(m *testing.M) {
	if addr := os.Getenv(childEnv); addr != "" {
		runReader(addr)
	}
	os.Exit(m.Run())
}

func runReader(addr string) {
	t := &testing.T{}
	in := newInput(t, addr, "max_batch_records: 10\ncommit_interval: 50ms")
	if err := in.Connect(context.Background()); err != nil {
		panic(err)
	}
	for {
		messages, ack, err := in.ReadBatch(context.Background())
		if err != nil {
			panic(err)
		}
		fmt.Println(strings.Join(got{messages: messages}.coordinates(), "\n"))
		_ = ack(context.Background(), nil)
	}
}

// A reader is killed in the middle. The next one skips nothing, and repeats no more
// than what was acknowledged since the last commit.
func TestKilledReaderSkipsNothing(t *testing.T) {
	addr := addresses(startBroker(t))
	fill(t, addr, 300, 0, 1, 2)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+addr)
	pipe, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	lines := bufio.NewScanner(pipe)
	for len(times) < 300 && lines.Scan() {
		times[lines.Text()]++
	}
	_ = child.Process.Kill()
	for lines.Scan() { // what it had said by then
		times[lines.Text()]++
	}
	_ = child.Wait()
	if len(times) < 300 {
		t.Fatalf("the reader stopped by itself after %d records", len(times))
	}
	finish(t, times, 900, startInput(t, addr, ""))
}

func TestCloseWithoutBroker(t *testing.T) {
	broker := startBroker(t)
	addr := addresses(broker)
	fill(t, addr, 10, 0)
	in, out := startInput(t, addr, "commit_interval: 1h"), startOutput(t, addr, "")
	read(t, in).answer(t, nil)
	broker.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = in.Close(context.Background()), out.Close(context.Background())
	}()
	select {
	case <-done:
	case <-time.After(2*closeTimeout + 5*time.Second):
		t.Fatal("Close hangs without a broker")
	}
}

func TestMissingRights(t *testing.T) {
	broker := startBroker(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "bob", "secret"))
	login := "sasl: {mechanism: PLAIN, user: bob, password: secret}"
	wantFatal(t, newOutput(t, addresses(broker), login), `user "bob" may not use topic "events"`)
	wantFatal(t, newInput(t, addresses(broker), login), `user "bob" may not use topic "events"`)
}

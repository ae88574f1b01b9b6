package enginetest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asTest makes the test binary act as a test process that is about to be killed.
const asTest = "ENGINETEST_AS_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asTest) == "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "clickstream-engine-")
	if err != nil {
		panic(err)
	}
	c, err := launch(dir, "-remove", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(c.addresses.Native, dir)
	select {}
}

// TestParentDeath: the engine of a test process that is killed goes too, and takes
// what is in its folder along.
func TestParentDeath(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asTest+"=1")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed, as we know
	if err != nil {
		t.Fatalf("address: %v", err)
	}
	address, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	deadline, tick := time.After(10*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		conn, dialErr := net.Dial("tcp", address)
		if dialErr == nil {
			conn.Close()
		}
		left, _ := os.ReadDir(dir)
		if dialErr != nil && len(left) == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("engine at %s: still there (dial %v, folder %v)", address, dialErr, left)
		case <-tick.C:
		}
	}
}

// TestShared: two tests get one engine and a database each.
func TestShared(t *testing.T) {
	a, b := Start(t), Start(t)
	if a != b {
		t.Errorf("engines: got %v and %v\nwant one", a, b)
	}
	one, two := a.Database(t), b.Database(t)
	a.Query(t, one, "CREATE TABLE t (a Int8) ENGINE = Memory")
	if got := a.Query(t, two, "EXISTS t"); got != "0" {
		t.Errorf("table in the other database: got %s\nwant 0", got)
	}
}

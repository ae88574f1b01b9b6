package process

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestPortHolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := unknownHolder
	if runtime.GOOS == "linux" {
		want = "process " + strconv.Itoa(os.Getpid()) + " ("
	}
	if got := PortHolder(l.Addr().String()); !strings.HasPrefix(got, want) {
		t.Errorf("PortHolder of our own port\n got %s\nwant %s", got, want)
	}
	for _, addr := range []string{"", "no port", "127.0.0.1:http", "127.0.0.1:99999"} {
		if got := PortHolder(addr); got != unknownHolder {
			t.Errorf("PortHolder(%q)\n got %s\nwant %s", addr, got, unknownHolder)
		}
	}
}

func TestLockDir(t *testing.T) {
	if os.Getenv("LOCK_DIR") != "" {
		_, err := LockDir(os.Getenv("LOCK_DIR"))
		if err != nil {
			os.Stdout.WriteString("child: " + err.Error() + "\n")
		}
		return
	}
	dir := t.TempDir() + "/new"
	release, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestLockDir$")
	child.Env = append(os.Environ(), "LOCK_DIR="+dir)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v: %s", err, out)
	}
	want := `child: data folder "` + dir + `": in use by process ` + strconv.Itoa(os.Getpid())
	if got := string(out); !strings.HasPrefix(got, want) {
		t.Errorf("second lock\n got %s\nwant %s", got, want)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = LockDir(dir)
	if err != nil {
		t.Fatalf("lock after release: %v", err)
	}
	release()
}

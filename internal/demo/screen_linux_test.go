package demo

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDumbTerminal: the status line is rewritten where the terminal can, and only there.
func TestDumbTerminal(t *testing.T) {
	for name, rewrites := range map[string]bool{"xterm": true, "dumb": false} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", name)
			master, slave := terminal(t)
			s := newScreen(slave)
			s.status(time.Now(), status{})
			got := make([]byte, 1024)
			n, err := master.Read(got)
			if err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(string(got[:n]), "\x1b"); has != rewrites {
				t.Errorf("got %q, want escapes: %t", got[:n], rewrites)
			}
		})
	}
}

// terminal opens a pseudo terminal of 80 columns, as a window or ssh does.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

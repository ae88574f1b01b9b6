package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"clickstream/internal/process"
)

// terminal opens a pseudo terminal: what a program writes to the terminal can be read
// from screen.
func terminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return screen, tty
}

// On a terminal a replay draws a bar, in one line that ends before the sum is printed.
func TestDLQReplayBar(t *testing.T) {
	s := manyLetters(t, 40)
	screen, tty := terminal(t)
	cmd := exec.Command(binary, "dlq", "replay", "--batch", "1")
	cmd.Env = append(append(cleanEnv(), s.env("TERM=xterm")...), process.ParentEnv+"=3")
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = tty, tty, []*os.File{alive}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	drawn, _ := io.ReadAll(screen) // ends with EIO once nobody has the terminal
	if err := cmd.Wait(); err != nil {
		t.Errorf("replay on a terminal: %v", err)
	}
	text := string(drawn)
	bars := strings.Split(text, "\r\x1b[K[")[1:]
	if len(bars) < 2 {
		t.Fatalf("want a bar that is drawn again and again, got %q", text)
	}
	if want := strings.Repeat(".", 30) + "] 1 of 40 letters, "; !strings.HasPrefix(bars[0], want) || strings.Contains(bars[0], "\n") {
		t.Errorf("first bar: got %q, want %q...", bars[0], want)
	}
	last := bars[len(bars)-1]
	if !strings.HasPrefix(last, strings.Repeat("#", 30)+"] 40 of 40 letters, ") || !strings.Contains(last, " letters/s\r\nreplayed 40 letters to topic clickstream in ") {
		t.Errorf("last bar: got %q", last)
	}
}

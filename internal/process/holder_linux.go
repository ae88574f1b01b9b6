package process

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tcpListen is the state of a listening socket in /proc/net/tcp (TCP_LISTEN of
// the kernel's tcp_states.h).
const tcpListen = "0A"

// listener returns the process that listens on port at any local address, or 0.
func listener(port uint16) int {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, port, sockets)
	}
	if len(sockets) == 0 {
		return 0
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !sockets[target] {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
		return pid
	}
	return 0
}

// listening adds to sockets the link targets ("socket:[inode]") of those sockets
// of one table that listen on port.
func listening(table string, port uint16, sockets map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		field := strings.Fields(lines.Text())
		if len(field) < 10 || field[3] != tcpListen {
			continue
		}
		_, hex, _ := strings.Cut(field[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port {
			sockets["socket:["+field[9]+"]"] = true
		}
	}
}

// command returns the program's name and its first argument: enough to tell
// one clickstream process from another, too little to spill a password.
func command(pid int) string {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	args := strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
	args[0] = filepath.Base(args[0])
	if len(args) > 2 {
		args = args[:2]
	}
	return strings.Join(args, " ")
}

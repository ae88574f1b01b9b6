package engine

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const errAddressInUse = syscall.EADDRINUSE

// holder names the process that listens on address, as " by NAME (pid N)", "" if
// it cannot be found: only Linux tells without a tool, and only of processes that
// we may look into.
func holder(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	n, _ := strconv.Atoi(port)
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listeners(table, n, inodes)
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		inode := strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")
		if err != nil || !inodes[inode] {
			continue
		}
		pid := strings.Split(link, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf(" by %s (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}

// listeners adds the inodes of the sockets in table that listen on port.
func listeners(table string, port int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	const listening = "0A" // TCP_LISTEN in the kernel's tcp_states.h
	want := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], want) && fields[3] == listening {
			inodes[fields[9]] = true
		}
	}
}

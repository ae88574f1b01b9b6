package process

import (
	"fmt"
	"net"
	"strconv"
)

// PortHolder says, in words for an error message, which process listens on addr
// ("host:port"): "process 1234 (clickstream broker)" where the system tells us
// (Linux, and only for processes of the same user), "another process" elsewhere.
func PortHolder(addr string) string {
	_, service, err := net.SplitHostPort(addr)
	if err != nil {
		return unknownHolder
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return unknownHolder
	}
	if pid := listener(uint16(port)); pid != 0 {
		return describe(pid)
	}
	return unknownHolder
}

const unknownHolder = "another process"

// describe names the process pid for an error message: its number and, where it
// can be read, its command.
func describe(pid int) string {
	if command := command(pid); command != "" {
		return fmt.Sprintf("process %d (%s)", pid, command)
	}
	return fmt.Sprintf("process %d", pid)
}

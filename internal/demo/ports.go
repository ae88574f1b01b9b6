package demo

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"clickstream/internal/process"
)

// port is an address that a child will serve on, and the flag that moves it.
type port struct {
	flag    string
	address *string
}

// settlePorts checks that every address is free before anything is started, and
// gives those with port 0 a free one. Its error names the holder of each address
// that is taken and the command line that avoids them all.
func settlePorts(ports []port) error {
	var taken, instead []string
	for _, p := range ports {
		if _, _, err := net.SplitHostPort(*p.address); err != nil {
			return fmt.Errorf("--%s: want host:port such as 127.0.0.1:9092, got %q", p.flag, *p.address)
		}
		l, err := net.Listen("tcp", *p.address)
		if err == nil {
			*p.address = l.Addr().String()
			defer l.Close() // not before all are settled: no free port is given out twice
			continue
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("--%s: %w", p.flag, err)
		}
		taken = append(taken, fmt.Sprintf("%s is in use by %s", *p.address, process.PortHolder(*p.address)))
		instead = append(instead, "--"+p.flag+" "+elsewhere(*p.address))
	}
	if taken == nil {
		return nil
	}
	return fmt.Errorf("%s\nstop it, or use other ports: clickstream demo %s", strings.Join(taken, "\n"), strings.Join(instead, " "))
}

// elsewhere proposes an address in place of a taken one: ten thousand ports up,
// which people recognise, or else one that the system picks.
func elsewhere(address string) string {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if n, err := strconv.Atoi(service); err == nil && n+10000 < 1<<16 {
		up := net.JoinHostPort(host, strconv.Itoa(n+10000))
		if free(up) {
			return up
		}
	}
	return net.JoinHostPort(host, "0")
}

func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// freeAddresses returns n loopback addresses that nobody serves on just now.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("free port: %w", err)
		}
		defer l.Close() // not before the last one is found, or they might be the same
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}

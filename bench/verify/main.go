// Command verify measures `clickstream verify` over a large table: time, its own
// memory, and by how much the engine grows. bench/verify/run starts the servers.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"clickstream/bench/proc"
)

func main() {
	binary := flag.String("binary", "", "`PATH` of clickstream")
	pid := flag.Int("engine-pid", 0, "`PROCESS` of the engine")
	flag.Parse()
	if err := run(*binary, *pid, append([]string{"verify"}, flag.Args()...)); err != nil {
		fmt.Fprintln(os.Stderr, "bench/verify:", err)
		os.Exit(1)
	}
}

// run runs one verification and prints what it took.
func run(binary string, pid int, args []string) error {
	before, err := resident(pid)
	if err != nil {
		return err
	}
	idle, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	stop, peak := make(chan struct{}), make(chan int64)
	go watch(pid, stop, peak)
	cmd := exec.Command(binary, args...)
	cmd.Stderr = os.Stderr
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	close(stop)
	growth := <-peak - before
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	fmt.Printf("clickstream %s: %s\n", strings.Join(args, " "), lines[len(lines)-1])
	if err != nil {
		return err
	}
	busy, err := proc.CPU(pid)
	if err != nil {
		return err
	}
	own := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	fmt.Printf("  %.1f s, own memory %d MiB, the engine grows by %d MiB from %d MiB and works for %.1f s of CPU\n",
		took.Seconds(), own>>10, growth>>10, before>>10, (busy - idle).Seconds())
	return nil
}

// watch sends the highest resident memory of a process until stop, in KiB.
func watch(pid int, stop <-chan struct{}, peak chan<- int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var highest int64
	for {
		select {
		case <-tick.C:
			now, _ := resident(pid) // a process that is gone adds nothing
			highest = max(highest, now)
		case <-stop:
			peak <- highest
			return
		}
	}
}

// resident is a process' resident memory in KiB.
func resident(pid int) (kib int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rest, &kib)
	return kib, err
}

// Package proc reads what processes cost from /proc. It works on Linux only.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks is what the kernel counts CPU time in: USER_HZ, 100 a second on every Linux
// that Go runs on.
const ticks = 100

// Process is one process at one moment.
type Process struct {
	PID, Parent int
	// Started is in ticks since boot; it tells a reused pid apart.
	Started uint64
	Name    string
	// CPU is user and system time since its start, in steps of a tick.
	CPU time.Duration
}

// CPU sums the CPU time of a process and all that descend from it.
func CPU(root int) (sum time.Duration, _ error) {
	all, err := Tree(root)
	for _, p := range all {
		sum += p.CPU
	}
	return sum, err
}

// Tree returns the process root and all that descend from it. One that ends while
// it looks is left out.
func Tree(root int) ([]Process, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(entries) == 0 {
		return nil, errors.New("/proc: no processes there; this works on Linux only")
	}
	children := map[int][]Process{}
	var found []Process
	for _, dir := range entries {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		if Gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if p.PID == root {
			found = append(found, p)
		}
		children[p.Parent] = append(children[p.Parent], p)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("process %d: not there", root)
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].PID]...)
	}
	return found, nil
}

func readProcess(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	p, err := parseStat(string(stat))
	if err != nil {
		return Process{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	if args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		p.Name = commandName(args, p.Name)
	}
	return p, nil
}

// parseStat reads proc_pid_stat(5): the name in parentheses may hold anything, so
// what follows is counted from the last one.
func parseStat(stat string) (Process, error) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return Process{}, fmt.Errorf("want a name in parentheses, got %q", stat)
	}
	fields := strings.Fields(stat[end+1:]) // the first one is field 3, the state
	const parent, user, system, start = 4 - 3, 14 - 3, 15 - 3, 22 - 3
	if len(fields) <= start {
		return Process{}, fmt.Errorf("want %d fields or more, got %d", start+3, len(fields)+2)
	}
	var numbers [5]uint64
	for i, text := range []string{strings.TrimSpace(stat[:open]), fields[parent], fields[user], fields[system], fields[start]} {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return Process{}, err
		}
		numbers[i] = n
	}
	return Process{
		PID: int(numbers[0]), Parent: int(numbers[1]), Started: numbers[4], Name: stat[open+1 : end],
		CPU: time.Duration(numbers[2]+numbers[3]) * (time.Second / ticks),
	}, nil
}

// commandName makes "clickstream engine" of a command line, and "clickstream
// consume.yaml" of one that runs a pipeline.
func commandName(args []byte, def string) string {
	list := strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
	if list[0] == "" {
		return def // a kernel thread, or a process that is about to end
	}
	name := filepath.Base(list[0])
	for i, a := range list[1:] {
		if i > 0 && list[i] == "-c" || !strings.HasPrefix(a, "-") {
			return name + " " + filepath.Base(a)
		}
	}
	return name
}

// PSS returns the memory of a process in bytes, each shared page divided among those
// that share it, so that a sum over processes counts no page twice.
func PSS(pid int) (int64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(rollup) {
		if kb, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(kb)), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/smaps_rollup: want a line Pss:, got none", pid)
}

// Gone tells whether an error of PSS says that the process has ended.
func Gone(err error) bool {
	return errors.Is(err, syscall.ESRCH) || errors.Is(err, fs.ErrNotExist)
}

//go:build amd64 || arm64

package fence

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden are the system calls by which a process starts programs, calls servers, or
// asks another way for either. Accepting connections is not among them.
var forbidden = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_CONNECT, unix.SYS_IO_URING_SETUP,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
}

// Where struct seccomp_data has what a filter reads.
const (
	numberAt = 0
	archAt   = 4
)

// forbidCalls makes them fail with EACCES, in every thread that is and will be.
func forbidCalls() error {
	filter := program(forbidden)
	code := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&code)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// program is the filter: another processor's calls (32 bits on 64) all fail, and so do
// those of the x32 table, whose numbers begin at 1<<30.
func program(calls []uint32) []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		least = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		ends  = unix.BPF_RET | unix.BPF_K
		deny  = unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)
	)
	n := len(calls)
	filter := []unix.SockFilter{
		{Code: load, K: archAt},
		{Code: equal, K: arch, Jf: uint8(n + 3)},
		{Code: load, K: numberAt},
		{Code: least, K: 1 << 30, Jt: uint8(n + 1)},
	}
	for i, call := range calls {
		filter = append(filter, unix.SockFilter{Code: equal, K: call, Jt: uint8(n - i)})
	}
	return append(filter, unix.SockFilter{Code: ends, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: ends, K: deny})
}

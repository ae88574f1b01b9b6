//go:build amd64 || arm64

package fence

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// system is what a program and its C library read of a machine. Of /proc there are only
// files without secrets: environ, which is not among them, holds passwords.
var system = []string{
	"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
	"/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/hosts", "/etc/host.conf",
	"/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/gai.conf",
	"/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm",
	"/proc/meminfo", "/proc/stat", "/proc/cpuinfo", "/proc/loadavg", "/proc/uptime", "/proc/sys/kernel", "/proc/sys/vm",
	"/proc/self/statm", "/proc/self/status", "/proc/self/stat", "/proc/self/maps", "/proc/self/cgroup", "/proc/self/mountinfo",
	"/dev/urandom", "/dev/random", "/dev/zero",
}

const (
	reads  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	onFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	writes = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
	never = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// Available says whether this kernel can fence files.
func Available() bool { return landlock() > 0 }

// landlock is the version that the kernel has, 0 for none: it is older than Linux 5.13,
// or has it switched off.
func landlock() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// Inside says whether this process was started by Enter.
func Inside() bool { return os.Getenv(mark) != "" }

// Enter starts this program anew, as the same process with the same arguments, files
// and standard streams, behind a fence around its files. Env are additions to the
// environment. It returns only if that cannot be: nil where the kernel has no Landlock.
//
// A fence is a thread's and passes to those that it makes. Go has made several by now,
// so the one that holds the program's new beginning has to be fenced.
func Enter(rules Rules, env []string) error {
	version := landlock()
	if version == 0 {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := restrict(version, program, rules); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return fmt.Errorf("start behind the fence: %w", syscall.Exec(program, os.Args, append(env, mark+"=1")))
}

// restrict takes from this thread all that the rules do not leave it.
func restrict(version int, program string, rules Rules) error {
	handled := uint64(reads | writes | never)
	attr := unix.LandlockRulesetAttr{}
	if version < 2 {
		handled &^= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version < 3 {
		handled &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version < 5 {
		handled &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 { // SYSTEM SHUTDOWN signals the whole process group
		attr.Scoped = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	attr.Handled_access_fs = handled
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size(version), 0)
	if errno != 0 {
		return fmt.Errorf("ruleset: %w", errno)
	}
	defer unix.Close(int(set)) //nolint:errcheck // the process is about to be another
	for path, access := range grants(program, rules) {
		if err := allow(int(set), path, access&handled); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("restrict: %w", errno)
	}
	return nil
}

// size is how much of the attributes a version of Landlock knows; it refuses more.
func size(version int) uintptr {
	switch {
	case version < 4:
		return 8
	case version < 6:
		return 16
	}
	return 24
}

// grants are the rights by path. The program and its loader may be started, once more
// and by us: behind the fence seccomp forbids it.
func grants(program string, rules Rules) map[string]uint64 {
	all := map[string]uint64{"/dev/null": onFile &^ unix.LANDLOCK_ACCESS_FS_EXECUTE, program: reads | unix.LANDLOCK_ACCESS_FS_EXECUTE}
	for _, path := range append(append(system, rules.Read...), filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...) {
		all[path] = reads
	}
	if loader := loaderOf(program); loader != "" {
		all[filepath.Dir(loader)] = reads // where systems without /lib keep the C library
		all[loader] = reads | unix.LANDLOCK_ACCESS_FS_EXECUTE
	}
	for _, path := range rules.Own {
		all[path] = reads | writes
	}
	return all
}

// loaderOf returns the real path of what the kernel starts a program with, "" for a
// static one.
func loaderOf(program string) string {
	f, err := elf.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // it was only read
	for _, part := range f.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(part.Open())
		if err != nil {
			return ""
		}
		if path, err := filepath.EvalSymlinks(strings.TrimRight(string(name), "\x00")); err == nil {
			return path
		}
	}
	return ""
}

// allow gives rights to a path and what lies beneath.
func allow(set int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // it was only looked at
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= onFile // the others are for folders, and refused
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Close shuts the rest, in all threads: no program starts and nothing is called from
// now on. It says what holds by trying it.
func Close() State {
	return State{Calls: forbidCalls() == nil, Files: Inside() && !readable("/etc/passwd")}
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err == nil || errors.Is(err, os.ErrNotExist)
}

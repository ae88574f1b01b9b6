package stage

import "syscall"

// rssUnit is what Rusage.Maxrss counts in.
const rssUnit = 1 << 10

// orphanKilled has the kernel kill a child whose parent is gone: Java and Python know
// nothing of the pipe.
func orphanKilled() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

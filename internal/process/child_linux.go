package process

import "syscall"

// ChildAttributes puts a child into a process group of its own, so that the terminal's
// Ctrl-C reaches its parent alone, and has the kernel send it orphaned (0: nothing) when
// the thread that starts it ends: lock the goroutine to its thread for as long as the
// child is to live. A child that knows OnParentDeath needs no signal.
func ChildAttributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}

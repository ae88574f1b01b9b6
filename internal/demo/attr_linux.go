package demo

import "syscall"

// attributes puts a child into a process group of its own, so that the terminal's
// Ctrl-C reaches the demo alone, and has the kernel send it orphaned when the
// thread that starts it ends (see launcher.run).
func attributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}

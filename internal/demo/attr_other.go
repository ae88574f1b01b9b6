//go:build !linux

package demo

import "syscall"

// attributes puts a child into a process group of its own, so that the terminal's
// Ctrl-C reaches the demo alone. Only the pipe of process.OnParentDeath tells the
// child of its parent's death here.
func attributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

//go:build !linux

package process

import "syscall"

// ChildAttributes puts a child into a process group of its own, so that the terminal's
// Ctrl-C reaches its parent alone. Only the pipe of OnParentDeath tells a child of its
// parent's death here.
func ChildAttributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

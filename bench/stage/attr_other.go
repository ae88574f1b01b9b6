//go:build !linux

package stage

import "syscall"

const rssUnit = 1

func orphanKilled() *syscall.SysProcAttr { return nil }

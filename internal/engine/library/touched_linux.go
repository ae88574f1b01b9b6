package library

import (
	"os"
	"syscall"
	"time"
)

// touched returns when a file was changed last in any way, and its inode.
func touched(info os.FileInfo) (time.Time, uint64) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, 0
	}
	return time.Unix(stat.Ctim.Unix()), stat.Ino
}

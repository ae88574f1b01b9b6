package engine

import (
	"os"

	"golang.org/x/sys/unix"
)

// inheritable makes a file outlive an exec and returns its number.
func inheritable(f *os.File) (int, error) {
	fd := int(f.Fd())
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
	return fd, err
}

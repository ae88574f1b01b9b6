package process

import (
	"io"
	"os"
	"strconv"
)

// ParentEnv names the environment variable that holds the number of an inherited
// file descriptor: the read end of a pipe whose write end only the parent holds.
const ParentEnv = "CLICKSTREAM_PARENT_FD"

// OnParentDeath calls f once the process that started this one has gone, however
// it went: the kernel closes a dead parent's end of the pipe. Without ParentEnv in
// the environment it does nothing. (Pdeathsig would do on Linux only, and follows
// the parent's thread, not the parent.)
func OnParentDeath(f func()) {
	fd, err := strconv.Atoi(os.Getenv(ParentEnv))
	if err != nil {
		return
	}
	pipe := os.NewFile(uintptr(fd), "parent")
	if pipe == nil {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, pipe) // ends with the pipe, which is all we want to know
		f()
	}()
}

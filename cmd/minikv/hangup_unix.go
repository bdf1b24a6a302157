//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// awaitHangup returns when nobody can read f any more: the other end of the pipe is closed. A command that waits for news would
// else learn of it only when there is some to write. It returns at once, with false, where the system cannot tell.
func awaitHangup(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	for {
		_, err := unix.Poll(fds, -1)
		if err == unix.EINTR {
			continue
		}
		return err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	}
}

//go:build !unix

package examples_test

import "syscall"

// signals are those that a process can be sent here; scripts that send others fail.
var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "KILL": syscall.SIGKILL}

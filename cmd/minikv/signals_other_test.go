//go:build !unix

package main

import "syscall"

// signals are those that a process can be sent here; scripts that send others fail.
var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}

//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// sighupEnds tells whether a closed terminal ends the node: not under nohup, which has SIGHUP ignored.
func sighupEnds() bool { return !signal.Ignored(syscall.SIGHUP) }

//go:build unix && !linux

package main

import "syscall"

// dieWithParent changes nothing: only Linux can do it.
func dieWithParent(a *syscall.SysProcAttr) *syscall.SysProcAttr { return a }

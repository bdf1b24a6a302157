//go:build unix

package main

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// child is a running command. Unless it shares a terminal with us, it leads a process group of its own, so that what it started
// itself is stopped along with it.
type child struct {
	cmd   *exec.Cmd
	group bool
	done  chan error // of Wait; gives one value
}

// startChild starts the command such that it does not outlive us where the system can see to that: without us nobody renews its lock.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, group: !isTerminal(os.Stdin), done: make(chan error, 1)}
	cmd.SysProcAttr = dieWithParent(&syscall.SysProcAttr{Setpgid: c.group})
	started := make(chan error)
	go func() {
		// The kernel ties the child's fate to the thread that started it: keep that thread until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// passSignals hands signals on to the command until stop is called. In a group of its own the command has none of them otherwise; at
// a terminal it has those of the keyboard already.
func (c *child) passSignals() (stop func()) {
	sigs := []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}
	if c.group {
		sigs = append(sigs, syscall.SIGINT, syscall.SIGQUIT)
	}
	return onSignal(func(s os.Signal) { c.signal(s.(syscall.Signal)) }, sigs...)
}

func (c *child) signal(s syscall.Signal) {
	pid := c.cmd.Process.Pid
	if c.group {
		pid = -pid
	}
	_ = syscall.Kill(pid, s) // it may have ended
}

func (c *child) terminate() { c.signal(syscall.SIGTERM) }
func (c *child) kill()      { c.signal(syscall.SIGKILL) }

// exitStatus is the exit code of a shell: 128 plus the signal for a command that a signal ended.
func exitStatus(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.ExitCode()
}

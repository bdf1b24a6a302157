//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// child is a running command.
type child struct {
	cmd  *exec.Cmd
	done chan error // of Wait; gives one value
}

func startChild(cmd *exec.Cmd) (*child, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, done: make(chan error, 1)}
	go func() { c.done <- cmd.Wait() }()
	return c, nil
}

// passSignals has nothing to do: the system hands the console's signals to the command itself.
func (c *child) passSignals() (stop func()) { return onSignal(func(os.Signal) {}, os.Interrupt) }

// There is no asking a process to end.
func (c *child) terminate() { _ = c.cmd.Process.Kill() }
func (c *child) kill()      { _ = c.cmd.Process.Kill() }

func exitStatus(p *os.ProcessState) int { return p.ExitCode() }

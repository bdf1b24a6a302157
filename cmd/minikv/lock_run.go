package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// Exit codes of a command that could not be run, as in a shell.
const (
	exitCannotRun = 126
	exitNoCommand = 127
)

// lockRun runs a command under a lock.
func (a *app) lockRun(ctx context.Context, cl *admin.Client, registry, key string, p admin.LockParams, argv []string, grace time.Duration) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return a.notRun(argv[0], err)
	}
	// A signal ends the wait for the lock. Once the command runs it goes to the command alone, and the lock stays until that has ended.
	holding, hangUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer hangUp(nil)
	untie := context.AfterFunc(ctx, func() { hangUp(context.Cause(ctx)) })
	held, err := cl.Hold(holding, registry, key, p)
	if err != nil {
		return err
	}
	defer held.Release()
	if !untie() {
		return context.Cause(ctx)
	}
	if err := a.stdout.Flush(); err != nil {
		return outputError(err)
	}
	cmd := exec.Command(path, argv[1:]...)
	cmd.Args[0] = argv[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), tokenEnv+"="+held.Lock.Token, "MINIKV_ADDR="+cl.Addr().String())
	child, err := startChild(cmd)
	if err != nil {
		return a.notRun(argv[0], err)
	}
	defer child.passSignals()()
	lost := make(chan string, 1)
	go func() { lost <- watchLease(held, cl.Addr()) }()
	return a.awaitChild(child, lost, grace)
}

// awaitChild waits for the command, and stops it when the lock is lost.
func (a *app) awaitChild(child *child, lost <-chan string, grace time.Duration) error {
	var reason string
	select {
	case err := <-child.done:
		return childExit(err)
	case reason = <-lost:
	}
	a.complain("the lock is lost (%s); stopping the command", reason)
	child.terminate()
	kill := time.NewTimer(grace)
	defer kill.Stop()
	var err error
	select {
	case err = <-child.done:
	case <-kill.C:
		a.complain("the command did not end within %s of SIGTERM; killing it", grace)
		child.kill()
		err = <-child.done
	}
	if err = childExit(err); err == nil {
		return exitCode(exitError) // it must not look done: it ran on without its lock
	}
	return err
}

// watchLease returns when the lock is lost, with the reason. A node that tells nothing for as long as the lease lasts is as good as gone.
func watchLease(h *admin.Held, addr admin.Addr) string {
	events := make(chan admin.HoldEvent, 1)
	broken := make(chan error, 1)
	go func() {
		for {
			ev, err := h.Next()
			if err != nil {
				broken <- err
				return
			}
			events <- ev
		}
	}()
	over := time.NewTimer(time.Until(h.Lock.Until))
	defer over.Stop()
	for {
		select {
		case ev := <-events:
			if ev.State != admin.HoldHeld {
				return ev.Reason
			}
			over.Reset(time.Duration(ev.Left))
		case err := <-broken:
			return err.Error()
		case <-over.C:
			return fmt.Sprintf("the node at %s says nothing any more", addr)
		}
	}
}

func (a *app) notRun(name string, err error) error {
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNoCommand
	}
	var ee *exec.Error
	if errors.As(err, &ee) {
		err = ee.Err
	}
	a.complain("cannot run %s: %v", printable(name), err)
	return exitCode(code)
}

// childExit turns what Wait says into our own exit code.
func childExit(err error) error {
	var ee *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ee):
		return exitCode(exitStatus(ee.ProcessState))
	}
	return err
}

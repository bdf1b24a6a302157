package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/minikv/minikv/server/admin"
)

// app is what a command works with: the streams, the environment and the flags that all commands have.
type app struct {
	stdin  io.Reader
	stdout *bufio.Writer // flushed by run, and by commands that stream
	stderr io.Writer
	getenv func(string) string
	tty    bool // stdout is a terminal
	errTTY bool // stderr is one

	addr    string
	format  string
	timeout time.Duration

	begun bool // the command line was understood
}

func newApp() *app {
	return &app{
		stdin: os.Stdin, stdout: bufio.NewWriterSize(os.Stdout, 32<<10), stderr: os.Stderr,
		getenv: os.Getenv, tty: isTerminal(os.Stdout), errTTY: isTerminal(os.Stderr),
	}
}

// errInterrupted is the cause of the context of a command that a signal ends.
var errInterrupted = errors.New("interrupted")

// run runs one command line and gives the exit code.
func run(a *app, args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop := onSignal(func(os.Signal) { cancel(errInterrupted) }, os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.begun {
		err = &usageError{excluding(err)}
	}
	if ferr := a.stdout.Flush(); err == nil {
		err = outputError(ferr)
	}
	return a.report(err)
}

// onSignal calls f for each of the signals until stop is called.
func onSignal(f func(os.Signal), sigs ...os.Signal) (stop func()) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, sigs...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-ch:
				f(s)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(ch)
		close(done)
	}
}

// client makes a client for the node that the command is meant for.
func (a *app) client() (*admin.Client, error) {
	addr, err := a.nodeAddr()
	if err != nil {
		return nil, err
	}
	return admin.NewClient(addr), nil
}

// withClient runs one question to the node, which has the time of --timeout.
func (a *app) withClient(ctx context.Context, f func(context.Context, *admin.Client) error) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	if a.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	return f(ctx, c)
}

// isTerminal tells whether f is a terminal. /dev/null is a character device, too, and is none.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	for _, name := range []string{os.DevNull, "/dev/full", "/dev/zero"} {
		if null, err := os.Stat(name); err == nil && os.SameFile(info, null) {
			return false
		}
	}
	return true
}

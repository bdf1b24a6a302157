package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"syscall"

	"github.com/minikv/minikv/server/admin"
)

// Exit codes that scripts rely on.
const (
	exitError    = 1
	exitUsage    = 2
	exitNotFound = 3
	exitLocked   = 4
)

const exitInterrupted = 128 + int(syscall.SIGINT)

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exclusive is how cobra says that two flags do not go together.
var exclusive = regexp.MustCompile(`^if any flags in the group .* none of the others can be; \[(.*)\] were all set$`)

// excluding says it so that it can be understood.
func excluding(err error) error {
	m := exclusive.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	return fmt.Errorf("--%s exclude each other; give one", strings.Join(strings.Fields(m[1]), " and --"))
}

// exitCode is an error that says nothing more: the message has been given, or there is none to give.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// report prints an error as one line and gives the exit code.
func (a *app) report(err error) int {
	var code exitCode
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, syscall.EPIPE):
		return exitError // whoever read our output has left: not an event to write about, nor a place to write it
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		a.complain("%s", err)
		return exitUsage
	}
	a.complain("%s", err)
	return codeOf(err)
}

func codeOf(err error) int {
	var e *admin.Error
	if !errors.As(err, &e) {
		return exitError
	}
	switch e.Code {
	case admin.CodeNotFound:
		return exitNotFound
	case admin.CodeLocked, admin.CodeNoQuorum:
		return exitLocked
	}
	return exitError
}

// complain writes one line to standard error.
func (a *app) complain(format string, args ...any) {
	s := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	fmt.Fprintf(a.stderr, "%s %s\n", a.paintError(red, "minikv:"), printable(strings.TrimPrefix(s, "minikv: ")))
}

// outputError explains an error of standard output, which is most often a full disk.
func outputError(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return err
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("cannot write the output: %w", err)
}

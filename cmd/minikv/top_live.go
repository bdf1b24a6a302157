package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/minikv/minikv/server/admin"
)

// Escape sequences of every terminal in use.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	homeCursor  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// quitKeys end the view: q, and Ctrl-C and Ctrl-D, which are no signals while each key comes at once.
const quitKeys = "qQ\x03\x04"

// live draws the view anew on a screen of its own until q or Ctrl-C, and leaves the terminal as it was. A node that does not answer is asked
// again, once it has been seen.
func (t *top) live(ctx context.Context) error {
	first, err := t.look(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	restore, err := t.rawKeys(func() { cancel(errTopDone) })
	if err != nil {
		return err
	}
	defer restore()
	defer func() {
		fmt.Fprint(t.app.stdout, leaveScreen)
		_ = t.app.stdout.Flush()
	}()
	fmt.Fprint(t.app.stdout, enterScreen)
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for lines := first.lines(); ; {
		if err := t.draw(lines); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return topEnd(ctx)
		}
		v, err := t.look(ctx)
		var unreachable *admin.UnreachableError
		switch {
		case ctx.Err() != nil:
			return topEnd(ctx)
		case err == nil:
			lines = v.lines()
		case errors.As(err, &unreachable) || errors.Is(err, context.DeadlineExceeded):
			lines = offline(err, time.Now())
		default:
			return err
		}
	}
}

// topEnd is nil where a key or a signal ended the view.
func topEnd(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, errTopDone) && !errors.Is(cause, errInterrupted) {
		return cause
	}
	return nil
}

// rawKeys has each key come at once, and calls quit on one that ends the view. Where standard input is no terminal, there are
// signals alone. restore puts the terminal back.
func (t *top) rawKeys(quit func()) (restore func(), err error) {
	in, ok := t.app.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return func() {}, nil
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal: %w; use --once", err)
	}
	go func() { // ends with the process: a read of a terminal cannot be called off
		for b := make([]byte, 1); ; {
			n, err := in.Read(b)
			if err != nil || n == 1 && strings.IndexByte(quitKeys, b[0]) >= 0 {
				quit()
				return
			}
		}
	}()
	return func() { _ = term.Restore(int(in.Fd()), before) }, nil
}

// draw writes the lines over what is on the screen, as many and as much of them as fit.
func (t *top) draw(lines []viewLine) error {
	width, height := 80, 24
	if w, h, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 && h > 0 {
		width, height = w, h
	}
	var b strings.Builder
	b.WriteString(homeCursor)
	for i, l := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(t.app.paint(l.style, cut(l.text, width)) + clearLine)
	}
	b.WriteString(clearBelow)
	_, err := t.app.stdout.WriteString(b.String())
	return outputError(errors.Join(err, t.app.stdout.Flush()))
}

// cut shortens a line of text to so many characters.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-1)]) + "…"
}
